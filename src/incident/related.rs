//! Incidents that share orders: one outage shows as several codes, often of the same payments.

use std::collections::{BTreeMap, HashMap};

use super::group::Group;
use super::notice::Related;
use crate::catalog::Lang;

/// Incidents that are remembered of one order, and that are shown of one incident.
const MAX_RELATED: usize = 8;

/// Which open incidents have an order, by its hash. It knows the last 256 orders of each.
pub(super) struct Index<'a>(HashMap<u64, Vec<&'a Group>>);

impl<'a> Index<'a> {
    pub fn of(groups: impl Iterator<Item = &'a Group>) -> Index<'a> {
        let mut index: HashMap<u64, Vec<&Group>> = HashMap::new();
        for group in groups {
            for &order in group.open().map_or(&[][..], |open| open.tally.orders.recent()) {
                let sharing = index.entry(order).or_default();
                if sharing.len() < MAX_RELATED {
                    sharing.push(group);
                }
            }
        }
        Index(index)
    }

    /// Those that share most orders first.
    pub fn related(&self, group: &Group, lang: Lang) -> Vec<Related> {
        let Some(own) = group.open() else { return Vec::new() };
        let mut shared: BTreeMap<&str, (&Group, u64)> = BTreeMap::new();
        let others = own.tally.orders.recent().iter().filter_map(|order| self.0.get(order)).flatten();
        for other in others {
            match other.open() {
                Some(open) if open.incident != own.incident => {
                    shared.entry(&open.incident).or_insert((*other, 0)).1 += 1;
                }
                _ => {}
            }
        }
        let related = |(incident, (other, shared_orders)): (&str, (&Group, u64))| Related {
            incident: incident.to_owned(),
            entry: other.about().entry.clone(),
            code: other.about().code.clone(),
            title: other.entry.title.get(lang).to_owned(),
            shared_orders,
        };
        let mut related: Vec<Related> = shared.into_iter().map(related).collect();
        related.sort_by_key(|related| std::cmp::Reverse(related.shared_orders));
        related.truncate(MAX_RELATED);
        related
    }
}
