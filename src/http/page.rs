//! A page of a list: as many as were asked for, as far as they fit, and where to go on.
//!
//! The list is in the order of its keys, and the next page begins after a key: what comes or goes meanwhile neither
//! repeats nor hides what stays.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::wire;

/// Bytes of JSON on one page, but for the last on it: 1 MiB. What 64 slow readers keep in memory is bounded by it.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// What stands on a page, and the key to go on after, if there is more.
pub(super) struct Page {
    pub items: Vec<Box<RawValue>>,
    pub next: Option<String>,
}

/// What of a sorted list comes after `after`.
pub(super) fn page<T, K: PartialOrd + ToString, J: Serialize>(
    sorted: Vec<T>,
    key: impl Fn(&T) -> K,
    after: Option<K>,
    limit: usize,
    json: impl Fn(T) -> J,
) -> Page {
    let (mut page, mut last, mut bytes) = (Page { items: Vec::new(), next: None }, None, 0);
    for item in sorted.into_iter().filter(|item| after.as_ref().is_none_or(|after| key(item) > *after)) {
        if page.items.len() >= limit || bytes >= MAX_BYTES {
            page.next = last.map(|last: K| last.to_string());
            break;
        }
        last = Some(key(&item));
        let text = String::from_utf8(wire::json(&json(item))).unwrap_or_default();
        bytes += text.len();
        // What was written as JSON reads as such.
        page.items.extend(RawValue::from_string(text));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(limit: usize, size: usize) -> (Vec<String>, usize) {
        let (mut all, mut n_pages, mut after) = (Vec::new(), 0, None);
        loop {
            let item = |n: u32| format!("{}{n}", "0".repeat(size));
            let Page { items, next } = page((0..7).collect(), |n| *n, after, limit, item);
            all.extend(items.iter().map(|item| item.get().trim_matches('"').trim_start_matches('0').to_owned()));
            n_pages += 1;
            let Some(next) = next else { return (all, n_pages) };
            after = Some(next.parse().unwrap());
        }
    }

    #[test]
    fn each_is_on_one_page() {
        let all = ["", "1", "2", "3", "4", "5", "6"].map(str::to_owned).to_vec();
        for (limit, size, expected) in
            [(1, 1, 7), (3, 1, 3), (7, 1, 1), (100, 1, 1), (100, MAX_BYTES, 7), (100, MAX_BYTES / 2, 4)]
        {
            assert_eq!(pages(limit, size), (all.clone(), expected), "{limit} {size}");
        }
    }
}
