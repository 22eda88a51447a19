//! Finds the times that most loggers write: `2026-11-23 01:38:54,744`, `2026-11-23T01:07:05.672Z`, `2026/11/23 …`, and
//! `23/Nov/2026:01:16:03 +0000` of access logs.

/// A time as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<'t> {
    /// Year, month, day, hour, minute, second: digits, not yet a time that there is. A month of no known name is 0.
    pub numbers: [i32; 6],
    /// Digits of the second's fraction, at most nine.
    pub fraction: &'t str,
    /// `Z`, `+08:00`, `-0330`.
    pub zone: Option<&'t str>,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The number of a month, from its name; 0 for any other word.
pub fn month(name: &str) -> i32 {
    MONTHS.iter().position(|&month| month == name).map_or(0, |n| n as i32 + 1)
}

/// The first time in `text` that begins with its year.
pub fn find(text: &str) -> Option<Written<'_>> {
    let bytes = text.as_bytes();
    let year = |end: usize| {
        let at = end.checked_sub(4)?;
        let stands_alone = at == 0 || !is_word(bytes[at - 1]);
        (stands_alone && bytes[at].is_ascii_digit()).then_some(Cursor { text, at })
    };
    memchr::memchr2_iter(b'-', b'/', bytes).filter_map(year).find_map(Cursor::year_first)
}

/// The first time in `text` that begins with its day and names its month.
pub fn find_named(text: &str) -> Option<Written<'_>> {
    let mut is_inside = false;
    let mut numbers = text.bytes().enumerate().filter(|&(_, b)| {
        let was_inside = std::mem::replace(&mut is_inside, is_word(b));
        b.is_ascii_digit() && !was_inside
    });
    numbers.find_map(|(at, _)| Cursor { text, at }.day_first())
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn day_first(mut self) -> Option<Written<'t>> {
        let day = self.number(1, 2)?;
        self.one_of(b"/ -")?;
        let name = self.text.get(self.at..self.at + 3)?;
        let [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z'] = name.as_bytes() else { return None };
        self.at += 3;
        self.one_of(b"/ -")?;
        let year = self.number(4, 4)?;
        self.one_of(b": ")?;
        let hour = self.number(2, 2)?;
        self.one_of(b":")?;
        let minute = self.number(2, 2)?;
        self.one_of(b":")?;
        let second = self.number(2, 2)?;
        let zone = Cursor { text: self.text, at: self.at }.short_zone();
        Some(Written { numbers: [year, month(name), day, hour, minute, second], fraction: "", zone })
    }

    /// ` +0800`.
    fn short_zone(mut self) -> Option<&'t str> {
        self.one_of(b" ")?;
        let start = self.at;
        self.one_of(b"+-")?;
        self.number(4, 4)?;
        Some(&self.text[start..self.at])
    }

    fn year_first(mut self) -> Option<Written<'t>> {
        let year = self.number(4, 4)?;
        self.one_of(b"-/")?;
        let month = self.number(1, 2)?;
        self.one_of(b"-/")?;
        let day = self.number(1, 2)?;
        self.one_of(b"T :_")?;
        let _ = self.one_of(b" \t");
        let hour = self.number(1, 2)?;
        self.one_of(b":")?;
        let minute = self.number(2, 2)?;
        self.one_of(b":")?;
        let second = self.number(2, 2)?;
        let fraction = self.fraction();
        let _ = self.one_of(b" \t");
        Some(Written { numbers: [year, month, day, hour, minute, second], fraction, zone: self.zone() })
    }

    /// Further digits are left out.
    fn fraction(&mut self) -> &'t str {
        let start = self.at;
        let is_there = self.one_of(b".,").is_some() && self.digits(1) == 1;
        if !is_there {
            self.at = start;
        }
        let digits = self.at..self.at + if is_there { self.digits(9) } else { 0 };
        self.at += self.digits(usize::MAX);
        &self.text[digits]
    }

    fn zone(&mut self) -> Option<&'t str> {
        let start = self.at;
        if self.one_of(b"Z").is_none() {
            self.one_of(b"+-")?;
            self.number(2, 2)?;
            let _ = self.one_of(b":");
            self.number(2, 2)?;
        }
        let next = self.text.as_bytes().get(self.at);
        next.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_').then(|| &self.text[start..self.at])
    }

    /// How many digits follow, at most `most`.
    fn digits(&self, most: usize) -> usize {
        self.text.as_bytes()[self.at..].iter().take(most).take_while(|b| b.is_ascii_digit()).count()
    }

    fn number(&mut self, least: usize, most: usize) -> Option<i32> {
        let n_digits = Some(self.digits(most)).filter(|&n| n >= least)?;
        let digits = &self.text.as_bytes()[self.at..self.at + n_digits];
        self.at += n_digits;
        Some(digits.iter().fold(0, |number, digit| number * 10 + i32::from(digit - b'0')))
    }

    fn one_of(&mut self, wanted: &[u8]) -> Option<()> {
        let is_it = self.text.as_bytes().get(self.at).is_some_and(|b| wanted.contains(b));
        self.at += usize::from(is_it);
        is_it.then_some(())
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    /// The same as an expression.
    const EXPRESSION: &str = concat!(
        r"(?-u:\b)([0-9]{4})[-/]([0-9][0-9]?)[-/]([0-9][0-9]?)[T :_][ \t]?([0-9][0-9]?):([0-9][0-9]):([0-9][0-9])",
        r"(?:[.,]([0-9]{1,9}))?[0-9]*[ \t]?(Z(?-u:\b)|[+-][0-9][0-9]:?[0-9][0-9](?-u:\b))?",
    );

    /// The other form as one.
    const NAMED: &str = concat!(
        r"(?-u:\b)([0-9][0-9]?)[/ -]([A-Z][a-z]{2})[/ -]([0-9]{4})[: ]([0-9][0-9]):([0-9][0-9]):([0-9][0-9])",
        r"(?: ([+-][0-9]{4}))?",
    );

    fn expected<'t>(expression: &Regex, text: &'t str) -> Option<Written<'t>> {
        let found = expression.captures(text)?;
        Some(Written {
            numbers: [1, 2, 3, 4, 5, 6].map(|n| found[n].parse().unwrap()),
            fraction: found.get(7).map_or("", |m| m.as_str()),
            zone: found.get(8).map(|m| m.as_str()),
        })
    }

    proptest::proptest! {
        #[test]
        fn finds_what_an_expression_finds(
            before in "(x|[ \\[\"_余-]|[0-9]{1,5}|2026-11-2[0-9 ]){0,3}",
            time in "2026[-/]1?1[-/][0-9]{1,2}[T :_x] ?[0-9]{1,2}:[0-9]{1,2}:[0-9]{2}",
            behind in "([.,][0-9]{0,12})?[ \t]{0,2}(Z|[+-][0-9]{2}:?[0-9]{2}|)(x|_|[ \\]余])?",
        ) {
            let expression = Regex::new(EXPRESSION).unwrap();
            let text = format!("{before}{time}{behind}");
            proptest::prop_assert_eq!(find(&text), expected(&expression, &text), "{:?}", text);
        }

        #[test]
        fn finds_what_an_expression_finds_where_the_month_has_a_name(
            before in "(x|[ \\[\"_余-]|[0-9]{1,3}|2[0-9][/-]Nov[/ -]){0,3}",
            time in "[0-9]{1,2}[/ -x](Nov|Jan|Xyz|nov|余)[/ -][0-9]{4}[: x][0-9]{2}:[0-9]{1,2}:[0-9]{2}",
            behind in "( ?[+-][0-9]{3,5})?x?",
        ) {
            let text = format!("{before}{time}{behind}");
            let found = Regex::new(NAMED).unwrap().captures(&text).map(|found| {
                let [day, year, hour, minute, second] = [1, 3, 4, 5, 6].map(|n| found[n].parse().unwrap());
                let numbers = [year, month(&found[2]), day, hour, minute, second];
                Written { numbers, fraction: "", zone: found.get(7).map(|m| m.as_str()) }
            });
            let found = found.map(|found| format!("{found:?}"));
            proptest::prop_assert_eq!(find_named(&text).map(|found| format!("{found:?}")), found, "{:?}", text);
        }
    }
}
