//! One occurrence of a code or a message in a record's text, and what surrounds it.

use std::ops::Range;

use crate::detect::FAMILIES;
use crate::record::key::{Key, normal_key};
use crate::record::words::{self, is_core, line_around, word_before};

use super::keys::{self, Role};
use super::phrases::{ERRORS_BEFORE, ERRORS_BEHIND, Phrase};
use super::reading::Reading;

/// Where an occurrence stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    pub range: Range<usize>,
    /// The field whose value begins with it.
    pub field: Option<Field>,
    /// It stands alone in brackets: `(C6-1011)`, `[SYSTEM_ERROR]`.
    pub bracketed: bool,
    /// It is the whole text between two quotes.
    pub quoted: bool,
}

/// A field's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As written.
    pub name: Range<usize>,
    pub key: Key,
    pub role: &'static Role,
    /// `key: [value`: the value is an element of a list.
    pub list: bool,
    /// A colon and a blank, as in prose: `pay failed: CODE`.
    pub loose: bool,
}

impl Mention {
    /// Looks around the occurrence at `range`.
    pub fn at(text: &str, range: Range<usize>) -> Mention {
        let before = text[..range.start].chars().next_back();
        let after = text[range.end..].chars().next();
        Mention {
            field: field_before(text, range.start),
            bracketed: is_bracketed(text, &range),
            quoted: before.is_some_and(is_quote) && after.is_some_and(is_quote),
            range,
        }
    }

    /// The field's key in normal spelling; empty outside of one.
    pub fn key(&self) -> &str {
        self.field.as_ref().map_or("", |field| field.key.as_str())
    }

    /// Rank of the field as an error field; 0 outside of one.
    pub fn rank(&self) -> u8 {
        match self.field.as_ref().map(|field| field.role) {
            Some(Role::Code { rank, .. }) => *rank,
            _ => 0,
        }
    }

    /// True if the occurrence is the name of a function or a constant: `CODE(…)`.
    pub fn is_call(&self, text: &str) -> bool {
        let rest = &text[self.range.end..];
        // MyBatis names the type of each parameter.
        rest.starts_with('(') && !rest.starts_with("(String)")
    }

    /// True if the occurrence is a key itself: `CODE=…`, `"CODE": …`, `CODE -> …`.
    pub fn is_key(&self, text: &str) -> bool {
        let rest = &text[self.range.end..];
        let unquoted = rest.trim_start_matches(is_quote);
        let quoted = unquoted.len() < rest.len();
        let spaced = unquoted.trim_start_matches(' ');
        if spaced.starts_with("->") || spaced.starts_with("=>") {
            return true;
        }
        let value = spaced.strip_prefix(':').or_else(|| spaced.strip_prefix('='));
        match value {
            None => false,
            Some(_) if quoted || spaced.starts_with('=') => true,
            // `INVALID_REQUEST:201 商户订单号重复`: WeChat Pay's finer number, and its text.
            Some(value) if is_numbered_text(value) => false,
            // `CODE: message` is prose; `CODE: 3`, `CODE: {` and `CODE: true` are tables.
            Some(value) => {
                let value = value.trim_start_matches(' ');
                value.starts_with(['{', '[', '"', '\''])
                    || value.starts_with(|c: char| c.is_ascii_digit())
                    || ["true", "false", "null", "None"].iter().any(|word| value.starts_with(word))
            }
        }
    }

    /// True if the occurrence is part of a path, a link or a file name.
    pub fn is_path(&self, text: &str) -> bool {
        let before = text[..self.range.start].chars().next_back();
        let rest = &text[self.range.end..];
        matches!(before, Some('/' | '#' | '\\' | '@' | '$' | '*')) && !self.quoted
            || rest.starts_with('/')
            || rest.starts_with('.') && rest[1..].starts_with(|c: char| c.is_ascii_lowercase())
    }

    /// True if other codes stand beside it: `A, B`, `[A B]`, `'A' | 'B'`, `in ('A')`.
    pub fn is_listed(&self, text: &str) -> bool {
        let left = text[..self.range.start].trim_end_matches(is_quote);
        let right = text[self.range.end..].trim_start_matches(is_quote);
        follows_in_list(right) || precedes_in_list(left) || is_sql_list(left) || is_code_run(left, right)
    }

    /// Its line; those that a message stands in which is spread over several.
    fn lines(&self, reading: &Reading<'_>) -> Range<usize> {
        reading.line_around(self.range.start).start..reading.line_around(self.range.end).end
    }

    /// True for `name{label="CODE"} 3`, in whichever brackets.
    pub fn is_metric(&self, reading: &Reading<'_>) -> bool {
        let (text, line) = (reading.text, self.lines(reading));
        let bytes = text.as_bytes();
        let open = memchr::memrchr2(b'{', b'(', &bytes[line.start..self.range.start]).map(|at| line.start + at);
        let close = memchr::memchr2(b'}', b')', &bytes[self.range.end..line.end]).map(|at| self.range.end + at);
        open.zip(close).is_some_and(|(open, close)| {
            text[..open].trim_end_matches('{').bytes().next_back().is_some_and(is_core)
                && memchr::memchr(b':', &bytes[open..close]).is_none()
                && text[close + 1..line.end]
                    .trim_start_matches([' ', '}', ')'])
                    .starts_with(|c: char| c.is_ascii_digit())
        })
    }

    /// True if its line is code that a traceback quotes, or a variable that it dumps.
    pub fn is_source_line(&self, reading: &Reading<'_>) -> bool {
        let text = reading.text;
        let line = self.lines(reading);
        let content = &text[line.clone()];
        let above = line.start.checked_sub(1).map(|end| text[reading.line_around(end)].trim_start());
        let left = &text[line.start..self.range.start];
        has_frame_marks(content)
            || above.is_some_and(quotes_source)
            || is_frame(content.trim_start())
            || is_compared(left)
            || self.rank() == 0
                && reading.phrases.has(Phrase::ProgrammingError)
                && is_programming_error(left, &text[self.range.end..line.end])
    }

    /// True if a translation table or a list of messages holds it: its key is a code, or a dotted path.
    pub fn is_translation(&self, text: &str) -> bool {
        self.field.as_ref().is_some_and(|field| {
            let name = &text[field.name.clone()];
            is_code_shaped(name) || (name.contains('.') && *field.role == Role::Other && !field.loose)
        })
    }
}

/// Three digits, a blank, and Chinese text.
fn is_numbered_text(value: &str) -> bool {
    let text = value.trim_start_matches(|c: char| c.is_ascii_digit());
    value.len() - text.len() == 3
        && text.strip_prefix(' ').is_some_and(|text| text.starts_with(|c: char| !c.is_ascii()))
}

/// `KeyError: 'CODE'`, `"CODE" is not a valid Status`: a program that tripped over a name, not a payment that failed.
fn is_programming_error(left: &str, right: &str) -> bool {
    ERRORS_BEFORE.iter().any(|error| left.contains(error)) || ERRORS_BEHIND.iter().any(|error| right.contains(error))
}

/// `│` and `└`, with which some tracebacks point from a line of code to what is in its variables.
fn has_frame_marks(line: &str) -> bool {
    memchr::memchr_iter(0xE2, line.as_bytes()).any(|at| line[at..].starts_with(['│', '└']))
}

/// `if code == "CODE"`, `case 'CODE'`: what stands before a constant in source code.
fn is_compared(left: &str) -> bool {
    let left = left.trim_end_matches(is_quote).trim_end();
    ["==", "!=", "<>"].iter().any(|operator| left.ends_with(operator))
        || word_before(left, left.len()).is_some_and(|word| &left[word] == "case")
}

/// A frame of a Python traceback: the next line is the source it points at.
fn quotes_source(line: &str) -> bool {
    line.starts_with("File \"") || line.starts_with("> File \"")
}

/// A frame of a Java or JavaScript stack.
fn is_frame(line: &str) -> bool {
    quotes_source(line) || line.starts_with("at ") && line.ends_with(')')
}

pub fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '“' | '”' | '「' | '」' | '‘' | '’')
}

/// `(CODE)`, `[CODE]`, `（CODE）`.
pub fn is_bracketed(text: &str, range: &Range<usize>) -> bool {
    let (before, behind) = (&text.as_bytes()[..range.start], &text.as_bytes()[range.end..]);
    match (before, behind) {
        ([.., b'('], [b')', ..]) | ([.., b'['], [b']', ..]) => true,
        _ => before.ends_with("（".as_bytes()) && behind.starts_with("）".as_bytes()),
    }
}

/// The key whose value begins at `at`.
fn field_before(text: &str, at: usize) -> Option<Field> {
    if !may_be_value(text, at) {
        return None;
    }
    if let Some(field) = separated_field(text, at).or_else(|| batch_row(text, at)) {
        return Some(field);
    }
    let mut left = text[..at].trim_end_matches(is_quote);
    left = left.strip_suffix("<![CDATA[").unwrap_or(left);
    let opened = left.trim_end_matches(['[', '(', '{']).trim_end_matches(is_quote);
    let list = opened.len() < left.len();
    let blank = opened.trim_end_matches([' ', '\t']);
    if let Some(field) = chinese_key(blank, list) {
        return Some(field);
    }
    let spaced = blank.len() < opened.len();
    let (keyed, colon) = match blank.chars().next_back()? {
        ':' | '：' => (blank.trim_end_matches([':', '：']), true),
        '=' => (blank.trim_end_matches('='), false),
        '>' => (blank.strip_suffix("=>").or_else(|| blank.strip_suffix('>'))?, false),
        _ => return None,
    };
    let bare = keyed.trim_end_matches([' ', '\t']).trim_end_matches(|c| is_quote(c) || c == ']');
    let quoted = bare.len() < keyed.trim_end().len();
    if let Some(field) = chinese_key(bare, list) {
        return Some(field);
    }
    let word = word_before(text, bare.len())?;
    let name = error_code_phrase(text, &word).unwrap_or_else(|| word.clone());
    // A phrase is one key: `Pay Error code`.
    let key = normal_key(&text[name.clone()]);
    let role = role_of(&key, &text[word]);
    Some(Field { name, key, role, list, loose: colon && spaced && !quoted })
}

/// False for most words: what stands before them ends no key.
pub fn may_be_value(text: &str, at: usize) -> bool {
    let before = &text.as_bytes()[..at];
    let opened = before.iter().rposition(|byte| !b" \t\"'`[({".contains(byte)).map_or(0, |last| last + 1);
    match before[..opened] {
        [.., last] if !last.is_ascii() => true,
        [.., b':' | b'=' | b'>' | b'^'] => true,
        [.., b'C', b'D', b'A', b'T', b'A'] => true,
        _ => false,
    }
}

/// `result_details=2026…^5.00^CODE$…`: rows of Alipay's notifications about batches.
fn batch_row(text: &str, at: usize) -> Option<Field> {
    let amount = text[..at].strip_suffix('^')?;
    let row = amount.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let id = row.strip_suffix('^').filter(|_| row.len() < amount.len())?;
    let name = word_before(text, id.len())?;
    let key = normal_key("resultdetails");
    Some(Field { name, key, role: keys::role(&key), list: false, loose: false })
}

/// `ErrorScene^_^40004^_^ACQ.X^_^…`: Alipay's Java SDK sets code and sub_code apart like this.
fn separated_field(text: &str, at: usize) -> Option<Field> {
    let left = text[..at].strip_suffix("^_^")?;
    let line = line_around(text, left.len());
    let name =
        text[line.start..left.len()].find("ErrorScene").map(|start| line.start + start..line.start + start + 10)?;
    let fields = text[name.end..at].matches("^_^").count();
    let key = normal_key(match fields {
        1 => "code",
        2 => "subcode",
        _ => return None,
    });
    Some(Field { name, key, role: keys::role(&key), list: false, loose: false })
}

/// The last part of a dotted key counts: `error.code`, `payer.openid`.
fn role_of(key: &Key, name: &str) -> &'static Role {
    match keys::role(key) {
        Role::Other => name.rsplit_once('.').map_or(&Role::Other, |(_, last)| keys::role(&normal_key(last))),
        role => role,
    }
}

/// `Error code: X`, `Pay Error code: X`.
fn error_code_phrase(text: &str, word: &Range<usize>) -> Option<Range<usize>> {
    if !text[word.clone()].eq_ignore_ascii_case("code") {
        return None;
    }
    let head = text[..word.start].strip_suffix(' ')?;
    let error = word_before(text, head.len()).filter(|w| text[w.clone()].eq_ignore_ascii_case("error"))?;
    let pay = text[..error.start].strip_suffix(' ').and_then(|head| word_before(text, head.len()));
    match pay.filter(|w| text[w.clone()].eq_ignore_ascii_case("pay")) {
        Some(pay) => Some(pay.start..word.end),
        None => Some(error.start..word.end),
    }
}

/// `错误码：X`, `错误代码 X`.
fn chinese_key(left: &str, list: bool) -> Option<Field> {
    if left.as_bytes().last()?.is_ascii() {
        return None;
    }
    let keys = ["错误码", "错误代码", "返回码", "错误详情", "错误描述", "返回信息"];
    let key = keys.into_iter().find(|key| left.ends_with(key))?;
    let name = left.len() - key.len()..left.len();
    let key = normal_key(key);
    Some(Field { name, key, role: keys::role(&key), list, loose: false })
}

/// True for words that are written like codes: capitals with an underscore, or of a reserved family.
pub fn is_code_shaped(word: &str) -> bool {
    let capitals = word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    capitals && word.contains('_') && word.len() >= 5 || is_family(word)
}

/// True for codes of a family that one provider reserves (`ACQ.`, `isv.`).
pub fn is_family(word: &str) -> bool {
    // The names of all families have three letters, and most words have no dot behind those.
    word.as_bytes().get(3) == Some(&b'.')
        && FAMILIES.iter().any(|family| word.len() > family.len() + 2 && word.starts_with(family))
}

fn follows_in_list(right: &str) -> bool {
    let Some(rest) = right.trim_start_matches(' ').strip_prefix([',', '|', '、', ';']) else { return false };
    first_word(rest.trim_start_matches(|c| c == ' ' || c == '\n' || is_quote(c))).is_some_and(is_listable)
}

fn precedes_in_list(left: &str) -> bool {
    let left = left.trim_end();
    let joined = [" and", " or", "和", "或"].iter().find_map(|word| left.strip_suffix(word));
    let Some(rest) = joined.or_else(|| left.strip_suffix([',', '|', '、', ';'])) else { return false };
    let rest = rest.trim_end_matches(|c| c == ' ' || is_quote(c));
    word_before(rest, rest.len()).is_some_and(|word| is_listable(&rest[word]))
}

/// Codes of both shapes: `NO_AUTH` and `ORDERPAID`.
fn is_listable(word: &str) -> bool {
    is_code_shaped(word) || word.len() >= 8 && word.bytes().all(|b| b.is_ascii_uppercase())
}

fn is_sql_list(left: &str) -> bool {
    let Some(rest) = left.strip_suffix('(') else { return false };
    rest.trim_end().to_ascii_lowercase().ends_with(" in")
}

/// `[A B C]`, as Go prints a slice.
fn is_code_run(left: &str, right: &str) -> bool {
    let neighbour = right.strip_prefix(' ').and_then(first_word).is_some_and(is_code_shaped)
        || left.strip_suffix(' ').and_then(|l| word_before(l, l.len()).map(|w| is_code_shaped(&l[w]))).unwrap_or(false);
    let opens = || {
        let line = left.rsplit('\n').next().unwrap_or(left);
        line.rfind('[').is_some_and(|open| !line[open..].contains(']'))
    };
    neighbour && opens()
}

fn first_word(text: &str) -> Option<&str> {
    words::words(text).next().filter(|word| word.start == 0).map(|word| &text[word])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mention(text: &str) -> Mention {
        let at = text.find("SYSTEM_ERROR").expect("the code");
        Mention::at(text, at..at + "SYSTEM_ERROR".len())
    }

    fn key(text: &str) -> Option<String> {
        mention(text).field.map(|field| field.key.as_str().to_owned())
    }

    #[test]
    fn what_is_spread_over_lines_ends_in_the_last_of_them() {
        let text = "pay failed: (balance\nnot enough) 3\nnext";
        let mention = Mention::at(text, text.find("balance").unwrap()..text.find(")").unwrap());
        let record = words::Worded::new(text);
        let reading = Reading::new(&record, Default::default());
        assert_eq!(&text[mention.lines(&reading)], "pay failed: (balance\nnot enough) 3");
        assert!(!mention.is_metric(&reading));
    }

    #[test]
    fn fields_in_every_notation() {
        for (text, expected) in [
            (r#""sub_code": "SYSTEM_ERROR""#, "subcode"),
            ("err_code=SYSTEM_ERROR&x", "errcode"),
            ("subCode: 'SYSTEM_ERROR'", "subcode"),
            ("<err_code><![CDATA[SYSTEM_ERROR]]></err_code>", "errcode"),
            ("[sub_code] => SYSTEM_ERROR", "subcode"),
            ("Pay Error code: SYSTEM_ERROR, message", "payerrorcode"),
            ("Error code: SYSTEM_ERROR", "errorcode"),
            ("StatusCode: 500 Code: \"SYSTEM_ERROR\"", "code"),
            ("错误代码 SYSTEM_ERROR", "错误代码"),
            ("错误码：SYSTEM_ERROR", "错误码"),
        ] {
            assert_eq!(key(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(key("pay error SYSTEM_ERROR"), None);
        assert!(mention("pay failed: SYSTEM_ERROR x").field.is_some_and(|f| f.loose));
    }

    #[test]
    fn keys_and_tables() {
        for text in [
            "SYSTEM_ERROR=never",
            "'SYSTEM_ERROR': {'a'",
            "\"SYSTEM_ERROR\": \"text\"",
            "SYSTEM_ERROR -> h",
            "SYSTEM_ERROR: 3",
        ] {
            assert!(mention(text).is_key(text), "{text}");
        }
        for text in ["SYSTEM_ERROR: text", "SYSTEM_ERROR, x", "code=SYSTEM_ERROR message=x"] {
            assert!(!mention(text).is_key(text), "{text}");
        }
    }

    #[test]
    fn lists() {
        for text in [
            r#"["SYSTEM_ERROR","SYSTEMERROR"]"#,
            "(ACQ.X_Y, SYSTEM_ERROR ...)",
            "[SYSTEM_ERROR FREQUENCY_LIMITED]",
            "code in ('SYSTEM_ERROR')",
            "'NO_AUTH' | 'SYSTEM_ERROR'",
        ] {
            assert!(mention(text).is_listed(text), "{text}");
        }
        for text in ["code: SYSTEM_ERROR, message: x", "[alipay] SYSTEM_ERROR: x", "(SYSTEM_ERROR)"] {
            assert!(!mention(text).is_listed(text), "{text}");
        }
    }

    #[test]
    fn paths_metrics_and_source() {
        for text in ["GET /help/SYSTEM_ERROR HTTP", "codes#SYSTEM_ERROR sent", "SYSTEM_ERROR.html"] {
            assert!(mention(text).is_path(text), "{text}");
        }
        let metric = "metric pay_error_total{code=\"SYSTEM_ERROR\"} 0 flushed";
        let record = words::Worded::new(metric);
        assert!(mention(metric).is_metric(&Reading::new(&record, Default::default())));
        let source = "  File \"/srv/app.py\", line 3, in f\n    if e.code == 'SYSTEM_ERROR':\npay.PayError";
        let record = words::Worded::new(source);
        assert!(mention(source).is_source_line(&Reading::new(&record, Default::default())));
    }
}
