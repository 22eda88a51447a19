//! What those who are affected have in common, and what that suggests to look at first.

use serde::{Deserialize, Serialize};

use super::group::About;
use super::notice::Scope;
use super::own::is_own;
use super::tally::Tally;
use crate::catalog::Lang;

/// Merchants and hosts that were seen in any event: two of each tell whether there are others than a given one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    merchants: Few,
    hosts: Few,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Few(Vec<String>);

impl Seen {
    /// True if that was news.
    pub fn add(&mut self, merchant: Option<&str>, host: Option<&str>) -> bool {
        // Both are to be added.
        self.merchants.add(merchant) | self.hosts.add(host)
    }
}

impl Few {
    fn add(&mut self, name: Option<&str>) -> bool {
        match name {
            Some(name) if self.0.len() < 2 && self.0.iter().all(|known| known != name) => {
                self.0.push(name.to_owned());
                true
            }
            _ => false,
        }
    }

    fn has_others(&self, name: &str) -> bool {
        self.0.iter().any(|known| known != name)
    }
}

pub(super) fn scope(about: &About, tally: &Tally, seen: &Seen) -> Scope {
    if is_own(about.provider.as_deref()) {
        Scope::Paytriage
    } else if tally.count == 1 {
        Scope::Isolated
    } else if tally.is_one_order() {
        Scope::OneOrder
    } else if tally.only_merchant().is_some_and(|merchant| seen.merchants.has_others(merchant)) {
        Scope::OneMerchant
    } else if tally.only_host().is_some_and(|host| seen.hosts.has_others(host)) {
        Scope::OneHost
    } else {
        Scope::Widespread
    }
}

/// A sentence or two.
pub(super) fn text(scope: Scope, lang: Lang) -> &'static str {
    let (en, zh) = match scope {
        Scope::Isolated => ("It happened once. Look at this one order first.", "只出现一次，请先查看这一笔订单。"),
        Scope::OneOrder => (
            "All of it is about one order. Query that order first, then see what keeps sending it.",
            "全部来自同一笔订单。请先查询该订单，再看是什么在反复提交。",
        ),
        Scope::OneMerchant => (
            "Only one merchant number is affected, and others are in use here. Look first at what is set up for that merchant: \
             keys, permissions, limits, account.",
            "只涉及一个商户号，而这里还有其他商户号在用。请先检查该商户号的密钥、权限、限额和账户状态。",
        ),
        Scope::OneHost => (
            "Only one host is affected, and others report as well. Look at that host first: its release, clock, network and \
             certificates.",
            "只涉及一台主机，而其他主机也有日志。请先检查这台主机的程序版本、时钟、网络和证书。",
        ),
        Scope::Widespread => (
            "It is not limited to one order, merchant number or host. Look first at what they share: the provider's status, the \
             network, the latest release.",
            "不限于某一笔订单、某个商户号或某台主机。请先检查它们共用的部分：支付平台的状态、网络和最近的发布。",
        ),
        Scope::Paytriage => (
            "It is about paytriage itself, not about a payment. See what it could not read, keep or deliver.",
            "这是 paytriage 自身的问题，与某笔支付无关。请查看它未能读取、保存或投递的内容。",
        ),
    };
    match lang {
        Lang::En => en,
        Lang::Zh => zh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, samples};
    use crate::incident::tally::Sighting;

    fn event(order: &str, merchant: &str, host: &str) -> Event {
        let mut event = samples::full();
        event.ids.out_trade_no = Some(order.to_owned());
        event.ids.mch_id = Some(merchant.to_owned());
        std::sync::Arc::make_mut(&mut event.origin).host = Some(host.to_owned());
        event
    }

    /// Of the incident, where the others were seen too.
    fn scope_of(incident: &[Event], others: &[Event]) -> Scope {
        let mut tally = Tally::new(&Sighting::of(&incident[0], 0));
        let mut seen = Seen::default();
        for event in incident {
            tally.add(&Sighting::of(event, 0), || None);
        }
        for event in incident.iter().chain(others) {
            let sighting = Sighting::of(event, 0);
            seen.add(sighting.merchant, sighting.host);
        }
        scope(&About::of(&incident[0]), &tally, &seen)
    }

    #[test]
    fn the_narrowest_pattern_is_said() {
        let (a, b) = (event("A", "M", "h1"), event("B", "M", "h1"));
        let (other_merchant, other_host) = (event("C", "N", "h1"), event("C", "M", "h2"));
        let incident = [a.clone(), b.clone()];
        assert_eq!(scope_of(std::slice::from_ref(&a), std::slice::from_ref(&other_merchant)), Scope::Isolated);
        assert_eq!(scope_of(&[a.clone(), a.clone()], std::slice::from_ref(&other_merchant)), Scope::OneOrder);
        assert_eq!(scope_of(&incident, std::slice::from_ref(&other_merchant)), Scope::OneMerchant);
        assert_eq!(scope_of(&incident, std::slice::from_ref(&other_host)), Scope::OneHost);
        assert_eq!(scope_of(&incident, &[]), Scope::Widespread, "the only merchant and host there are");
        assert_eq!(scope_of(&[a, other_merchant], &[other_host]), Scope::OneHost);
        assert_eq!(scope_of(&[b, event("C", "N", "h2")], &[]), Scope::Widespread);
    }

    #[test]
    fn every_scope_has_a_text_in_both_languages() {
        for scope in
            [Scope::Isolated, Scope::OneOrder, Scope::OneMerchant, Scope::OneHost, Scope::Widespread, Scope::Paytriage]
        {
            assert!(text(scope, Lang::En).is_ascii() && text(scope, Lang::En).ends_with('.'));
            assert!(text(scope, Lang::Zh).ends_with('。'));
        }
    }
}
