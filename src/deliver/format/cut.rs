//! Keeps texts and requests within limits of bytes.

use std::borrow::Cow;

use super::RenderError;

const ELLIPSIS: &str = "…";

/// The beginning of `text`, at most `max_bytes` with the ellipsis that says that there was more.
pub fn start(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let end = (0..=max_bytes.saturating_sub(ELLIPSIS.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    Cow::Owned(format!("{}{ELLIPSIS}", &text[..end]))
}

/// The end of `text`: of a path, the name matters most.
pub fn end(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let start = text.len() - max_bytes.saturating_sub(ELLIPSIS.len());
    let start = (start..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    Cow::Owned(format!("{ELLIPSIS}{}", &text[start..]))
}

/// What `render` makes of as many of `n` items as fit, the first ones. It is told how many to take and says itself how many are
/// missing, so what is measured is what is sent.
///
/// # Errors
/// Not even none of them fits.
pub fn fit(n: usize, max_bytes: usize, render: impl Fn(usize) -> Vec<u8>) -> Result<Vec<u8>, RenderError> {
    let all = render(n);
    if all.len() <= max_bytes {
        return Ok(all);
    }
    let mut best = render(0);
    if best.len() > max_bytes {
        return Err(RenderError::TooBig { max_bytes });
    }
    let (mut fits, mut too_many) = (0, n);
    while fits + 1 < too_many {
        let middle = fits.midpoint(too_many);
        let body = render(middle);
        if body.len() <= max_bytes {
            (fits, best) = (middle, body);
        } else {
            too_many = middle;
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(start("支付失败", 12), "支付失败");
        assert_eq!(start("支付失败", 11), "支付…");
        assert_eq!(start("支付失败", 9), "支付…");
        assert_eq!(end("/var/log/支付.log", 11), "…付.log");
        assert_eq!(end("/var/log/支付.log", 12), "…付.log");
        assert_eq!([start("abcdef", 0), end("abcdef", 0)], ["…", "…"]);
    }

    #[test]
    fn as_many_as_fit() {
        let render = |n: usize| vec![b'x'; 10 + n];
        assert_eq!(fit(5, 15, render).unwrap().len(), 15);
        assert_eq!(fit(5, 14, render).unwrap().len(), 14);
        assert_eq!(fit(500, 10, render).unwrap().len(), 10);
        assert!(matches!(fit(5, 9, render), Err(RenderError::TooBig { max_bytes: 9 })));
    }

    proptest! {
        #[test]
        fn never_longer_than_asked(text in any::<String>(), max in 3usize..40) {
            prop_assert!(start(&text, max).len() <= max);
            prop_assert!(end(&text, max).len() <= max);
        }
    }
}
