//! Text that can only be text, whatever a log line tried.

use super::cut;
use crate::visible::visible;

/// One line for a chat: at most `max_bytes` of `text`, with what is invisible made visible, and no address that a client could make
/// a link of by itself.
pub fn plain(text: &str, max_bytes: usize) -> String {
    unlinked(&visible(&cut::start(text, max_bytes)))
}

/// The same for a path, whose end matters most.
pub fn path(text: &str, max_bytes: usize) -> String {
    unlinked(&visible(&cut::end(text, max_bytes)))
}

/// `https：//…`, `www．…`: readable, and no link. A bare `example.com` stays: file names look the same.
fn unlinked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let before = &text.as_bytes()[..at];
        let after = &text[at + c.len_utf8()..];
        shown.push(match c {
            ':' if after.starts_with("//") => '：',
            '.' if before.len() >= 3 && before[at - 3..].eq_ignore_ascii_case(b"www") => '．',
            c => c,
        });
    }
    shown
}

/// A look-alike for each character that Feishu could read as a tag.
pub fn untagged(text: &str) -> String {
    text.chars().map(|c| tag_look_alike(c).unwrap_or(c)).collect()
}

/// A look-alike for each character that Markdown, tags, entities or mentions begin or end with. Backslashes would not do: what
/// DingTalk and WeCom make of them is written nowhere. An underscore within a word formats nothing and stays, so that codes can
/// be copied.
pub fn unmarked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_within_word = |next: Option<&char>| {
            before.is_some_and(char::is_alphanumeric) && next.is_some_and(|next: &char| next.is_alphanumeric())
        };
        shown.push(match c {
            '_' if !is_within_word(chars.peek()) => '＿',
            '*' => '＊',
            // What stands for code elsewhere is quoted, so that a command reads as one.
            '`' => '\'',
            '~' => '～',
            '[' => '［',
            ']' => '］',
            '\\' => '＼',
            '|' => '｜',
            '&' => '＆',
            c => tag_look_alike(c).unwrap_or(c),
        });
        before = Some(c);
    }
    shown
}

fn tag_look_alike(c: char) -> Option<char> {
    match c {
        '<' => Some('＜'),
        '>' => Some('＞'),
        '@' => Some('＠'),
        _ => None,
    }
}

/// `&`, `<` and `>` as Slack wants them in every text, at most `max_chars` characters of it.
/// <https://docs.slack.dev/messaging/formatting-message-text#escaping>
pub fn slack(text: &str, max_chars: usize) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut n_chars = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let mut buffer = [0; 4];
        let part = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            c => c.encode_utf8(&mut buffer),
        };
        let n = part.chars().count();
        let room_after = if chars.as_str().is_empty() { 0 } else { 1 };
        if n_chars + n + room_after > max_chars {
            escaped.push('…');
            break;
        }
        escaped.push_str(part);
        n_chars += n;
    }
    escaped
}

/// Addresses that become links: `https`, and nothing in them that ends a link or hides where it goes.
pub fn links(docs: &[String]) -> impl Iterator<Item = &str> {
    const MAX_LINKS: usize = 2;
    docs.iter().map(String::as_str).filter(|url| is_link(url)).take(MAX_LINKS)
}

fn is_link(url: &str) -> bool {
    const MAX_BYTES: usize = 300;
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let may_stand_in_url = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/?#%=+,:;&".contains(&byte);
    url.len() <= MAX_BYTES
        && !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte))
        && rest.bytes().all(may_stand_in_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_no_links() {
        assert_eq!(plain("see https://a.b/c and WWW.x.y", 99), "see https：//a.b/c and WWW．x.y");
        assert_eq!(plain("a\nb\u{202e}c", 99), "a\\nb\\u{202e}c");
        assert_eq!(plain("支付失败", 7), "支…");
        assert_eq!(path("/var/log/支付.log", 9), "….log");
    }

    #[test]
    fn markup_is_shown_as_look_alikes() {
        let hostile = "<@U1> [x](y) ![i](z) **b** `c` _d_ ~e~ &lt;at&gt; \\* SYSTEM_ERROR __init__";
        let shown = unmarked(hostile);
        assert_eq!(
            shown,
            "＜＠U1＞ ［x］(y) !［i］(z) ＊＊b＊＊ 'c' ＿d＿ ～e～ ＆lt;at＆gt; ＼＊ SYSTEM_ERROR ＿＿init＿＿"
        );
        assert_eq!(untagged("<at user_id=\"all\">"), "＜at user_id=\"all\"＞");
    }

    #[test]
    fn slack_gets_whole_entities() {
        assert_eq!(slack("a<b>&c", 99), "a&lt;b&gt;&amp;c");
        assert_eq!(slack("&&&", 15), "&amp;&amp;&amp;");
        assert_eq!(slack("&&&", 14), "&amp;&amp;…");
        assert_eq!(slack("abc", 3), "abc");
        assert_eq!(slack("abcd", 3), "ab…");
    }

    #[test]
    fn only_plain_https_addresses_are_links() {
        for good in ["https://opendocs.alipay.com/open/02ekfg?scene=common&pathHash=a#b", "https://a.b:8443/x%20y"] {
            assert!(is_link(good), "{good}");
        }
        for bad in [
            "http://a.b",
            "javascript:alert(1)",
            "https://",
            "https:///x",
            "https://user@a.b/",
            "https://a.b/)[x](y",
            "https://a.b/|x",
            "https://a.b/>",
            "https://a.b/ x",
            "https://支付.cn/",
            "https://a.b/\"",
        ] {
            assert!(!is_link(bad), "{bad}");
        }
    }
}
