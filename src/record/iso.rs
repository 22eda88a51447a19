//! Finds the time that most loggers write: `2026-11-23 01:38:54,744`, `2026-11-23T01:07:05.672Z`, `2026/11/23 …`.

/// A time as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iso<'t> {
    /// Year, month, day, hour, minute, second: digits, not yet a time that there is.
    pub numbers: [i32; 6],
    /// Digits of the second's fraction, at most nine.
    pub fraction: &'t str,
    /// `Z`, `+08:00`, `-0330`.
    pub zone: Option<&'t str>,
}

/// The first time in `text`.
pub fn find(text: &str) -> Option<Iso<'_>> {
    let bytes = text.as_bytes();
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let starts = (0..bytes.len()).filter(|&at| bytes[at].is_ascii_digit() && (at == 0 || !is_word(bytes[at - 1])));
    starts.into_iter().find_map(|at| Cursor { text, at }.time())
}

struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn time(mut self) -> Option<Iso<'t>> {
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
        Some(Iso { numbers: [year, month, day, hour, minute, second], fraction, zone: self.zone() })
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

    fn expected<'t>(expression: &Regex, text: &'t str) -> Option<Iso<'t>> {
        let found = expression.captures(text)?;
        Some(Iso {
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
    }
}
