//! Chooses the part of a message that the automaton looks for.
//!
//! A message may stand with any run of white space between its words, and with quotes or slashes escaped. The
//! anchor is its longest part that always looks the same: no white space, no character that escaping changes.

use std::ops::Range;

/// Where the anchor of `message` stands in it: its longest stretch (in bytes) of letters and digits. The whole
/// message where it has none.
pub fn anchor(message: &str) -> Range<usize> {
    let mut best = 0..0;
    let mut start = 0;
    for (at, c) in message.char_indices().chain([(message.len(), ' ')]) {
        if !c.is_alphanumeric() {
            if at - start > best.len() {
                best = start..at;
            }
            start = at + c.len_utf8();
        }
    }
    if best.is_empty() { 0..message.len() } else { best }
}

#[cfg(test)]
mod tests {
    use super::anchor;

    #[test]
    fn longest_word() {
        for (message, expected) in [
            ("Unsupported Card for This Service", "Unsupported"),
            ("系统繁忙，请稍后再试", "请稍后再试"),
            ("验签出错，建议检查签名字符串或签名私钥", "建议检查签名字符串或签名私钥"),
            ("!!", "!!"),
        ] {
            assert_eq!(&message[anchor(message)], expected);
        }
    }
}
