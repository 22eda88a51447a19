//! The files that are part of the program.

use super::{Guide, Text};

/// A file's name and its text.
macro_rules! file {
    ($name:literal) => {
        (concat!($name, ".toml"), include_str!(concat!("../../data/catalog/", $name, ".toml")))
    };
}

/// Name and text of each built-in catalogue file, in the order their entries are listed.
pub(super) const FILES: &[(&str, &str)] = &[
    file!("wallet"),
    file!("alipay-trade"),
    file!("alipay-refund"),
    file!("alipay-fund"),
    file!("alipay-preauth"),
    file!("alipay-gateway"),
    file!("alipay-sdk"),
    file!("alipay-legacy"),
    file!("alipay-client"),
    file!("wechatpay-v3"),
    file!("wechatpay-v2"),
    file!("wechatpay-client"),
    file!("wechatpay-sdk"),
    file!("alipayplus"),
    file!("antom-sdk"),
    file!("issuer"),
    file!("unionpay"),
    file!("paytriage"),
];

/// A guide's id and its text in both languages.
macro_rules! guide {
    ($id:literal) => {
        (
            $id,
            include_str!(concat!("../../data/guides/", $id, ".en.md")),
            include_str!(concat!("../../data/guides/", $id, ".zh.md")),
        )
    };
}

/// Id and text (English, Chinese) of each guide.
const GUIDES: &[(&str, &str, &str)] = &[
    guide!("troubleshooting"),
    guide!("name-mismatch"),
    guide!("issuer-declined"),
    guide!("unsupported-card"),
    guide!("payment-limits"),
    guide!("sms-verification-code"),
    guide!("wechat-pay-declined"),
    guide!("unknown-outcome"),
    guide!("alipay-signature"),
    guide!("wechatpay-certificates"),
];

pub(super) fn guides() -> Vec<Guide> {
    GUIDES.iter().map(|&(id, en, zh)| guide_of(id, en, zh)).collect()
}

fn guide_of(id: &str, en: &str, zh: &str) -> Guide {
    Guide {
        id: id.to_owned(),
        title: Text { en: title(en).to_owned(), zh: title(zh).to_owned() },
        body: Text { en: en.to_owned(), zh: zh.to_owned() },
    }
}

/// The first heading.
fn title(markdown: &str) -> &str {
    markdown.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guide_has_a_title_and_a_part_for_payer_and_operator() {
        for guide in guides() {
            for (title, body) in [(&guide.title.en, &guide.body.en), (&guide.title.zh, &guide.body.zh)] {
                assert!(!title.is_empty(), "{} has no title", guide.id);
                let n_parts = body.lines().filter(|line| line.starts_with("## ")).count();
                assert!(n_parts >= 2, "{} needs a part for the payer and one for the operator", guide.id);
            }
        }
    }
}
