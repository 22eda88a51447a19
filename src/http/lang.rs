//! The language of texts: `?lang=`, else what `Accept-Language` prefers, else the configured one.

use axum::http::{HeaderMap, header};

use super::answer::Failure;
use super::query::Query;
use crate::catalog::Lang;

pub(super) fn lang(query: &Query, headers: &HeaderMap, configured: Lang) -> Result<Lang, Failure> {
    match query.text("lang") {
        Some(word) => Lang::parse(word).ok_or_else(|| Failure::parameter("lang", "neither en nor zh")),
        None => Ok(preferred(headers).unwrap_or(configured)),
    }
}

/// The first of the languages that are liked best.
fn preferred(headers: &HeaderMap) -> Option<Lang> {
    let accepted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    let mut best = None;
    for range in accepted.split(',') {
        let (tag, weight) = range.split_once(';').map_or((range, 1.0), |(tag, weight)| {
            let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse().ok());
            (tag, weight.unwrap_or(0.0_f32))
        });
        let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
        let Some(lang) = Lang::parse(&primary) else { continue };
        if weight > best.map_or(0.0, |(weight, _)| weight) {
            best = Some((weight, lang));
        }
    }
    best.map(|(_, lang)| lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_say_what_their_users_read() {
        for (accepted, expected) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Some(Lang::Zh)),
            ("en-GB, zh;q=0.9", Some(Lang::En)),
            ("de, zh;q=0.5, en;q=0.7", Some(Lang::En)),
            ("ZH-hant", Some(Lang::Zh)),
            ("en;q=0, zh;q=0.1", Some(Lang::Zh)),
            ("en;q=x", None),
            ("de, *;q=0.5", None),
            (",;q=,;;", None),
            ("", None),
        ] {
            let headers = [(header::ACCEPT_LANGUAGE, accepted.parse().unwrap())].into_iter().collect();
            assert_eq!(preferred(&headers), expected, "{accepted}");
        }
    }
}
