//! Whether a message may stand around a part of it that was found, in raw bytes.
//!
//! Generous: it is none only where surely something else stands there. What an escape or another script holds is not known here,
//! nor what a supervisor writes before the next line. Lines that a container runtime cut are candidates anyway.

/// The first letter of the word that surely comes next in `rest`, in lower case.
pub fn next_letter(rest: &[u8]) -> Option<u8> {
    let word = &rest[plain_gap(rest)..];
    word.first().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase)
}

/// The last letter of the word that surely comes before the end of `before`, in lower case.
pub fn last_letter(before: &[u8]) -> Option<u8> {
    let (left, found, _) = word_before(before);
    found.last().filter(|_| !is_escape(left, found)).map(u8::to_ascii_lowercase)
}

/// The same of a part of a message, where anything may stand between words.
pub fn last_letter_of(message: &[u8]) -> Option<u8> {
    message.iter().rev().find(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase)
}

/// False where surely something else than `message` stands in `rest`, which begins behind a word.
pub fn may_follow(rest: &[u8], message: &[u8]) -> bool {
    // What reads the same needs no closer look: from the last word on that ends in it.
    let same = rest.iter().zip(message).take_while(|(found, wanted)| found.eq_ignore_ascii_case(wanted)).count();
    let is_end = |&at: &usize| !message[at].is_ascii_alphanumeric() && message[at - 1].is_ascii_alphanumeric();
    let skip = (1..same).rev().find(is_end).unwrap_or_default();
    let (mut rest, mut message) = (&rest[skip..], &message[skip..]);
    loop {
        let (wanted_gap, behind) = message.split_at(message.iter().take_while(|b| !b.is_ascii_alphanumeric()).count());
        let (wanted, behind) = behind.split_at(n_alphanumeric(behind.iter()));
        let (gap, found) = rest.split_at(plain_gap(rest));
        let (found, left) = found.split_at(n_alphanumeric(found.iter()));
        match (gap.first(), wanted_gap.first()) {
            // The word goes on.
            (None, _) if !found.is_empty() => return false,
            (None, _) | (_, None) => return true,
            (Some(&gap), Some(&wanted)) if !is_same(gap, wanted) => return false,
            _ if found.is_empty() || wanted.is_empty() => return true,
            _ if !found.eq_ignore_ascii_case(wanted) => return false,
            _ => (rest, message) = (left, behind),
        }
    }
}

/// False where surely something else than `message` stands at the end of `before`, in front of a word.
pub fn may_precede(before: &[u8], message: &[u8]) -> bool {
    let (mut before, mut message) = skip_same(before, message);
    loop {
        let n_gap = message.iter().rev().take_while(|b| !b.is_ascii_alphanumeric()).count();
        let (behind, wanted_gap) = message.split_at(message.len() - n_gap);
        let (behind, wanted) = behind.split_at(behind.len() - n_alphanumeric(behind.iter().rev()));
        let (left, found, gap) = word_before(before);
        let is_longer = found.len() > wanted.len() && found[found.len() - wanted.len()..].eq_ignore_ascii_case(wanted);
        if wanted.is_empty() || found.is_empty() || is_longer {
            return true;
        }
        if let Some((&sign, &wanted)) = gap.last().zip(wanted_gap.last())
            && !is_same(sign, wanted)
            && !b"\r\n".contains(&sign)
            && !(is_blank(sign) && b",.:;!".contains(&wanted))
        {
            return false;
        }
        if !found.eq_ignore_ascii_case(wanted) {
            return is_escape(left, found);
        }
        (before, message) = (left, behind);
    }
}

/// The last word of `before`, what stands before it, and what behind.
fn word_before(before: &[u8]) -> (&[u8], &[u8], &[u8]) {
    // Behind a reference stands `;`.
    let is_gap = |b: u8| is_plain(b) && !b";&#".contains(&b) || b"\r\n".contains(&b);
    let n_gap = before.iter().rev().take_while(|&&b| is_gap(b)).count();
    let (left, gap) = before.split_at(before.len() - n_gap);
    let (left, found) = left.split_at(left.len() - n_alphanumeric(left.iter().rev()));
    (left, found, gap)
}

/// True if a word behind `left` may be the end of an escape, which may stand before a word, as in `\nUnsupported Card`, or be all that
/// stands there.
fn is_escape(left: &[u8], found: &[u8]) -> bool {
    left.last().is_some_and(|&b| !b.is_ascii() || b"\\%&#;".contains(&b))
        || left.ends_with(b"[") && found.ends_with(b"m")
}

/// Both without what reads the same at their ends, up to a word that begins in it: that needs no closer look.
fn skip_same<'b, 'm>(before: &'b [u8], message: &'m [u8]) -> (&'b [u8], &'m [u8]) {
    let both = || before.iter().rev().zip(message.iter().rev());
    let same = both().take_while(|(found, wanted)| found.eq_ignore_ascii_case(wanted)).count();
    let is_start = |&n: &usize| {
        let at = message.len() - n;
        message[at].is_ascii_alphanumeric() && !message[at - 1].is_ascii_alphanumeric()
    };
    let n = (1..same).rev().find(is_start).unwrap_or_default();
    (&before[..before.len() - n], &message[..message.len() - n])
}

fn n_alphanumeric<'b>(bytes: impl Iterator<Item = &'b u8>) -> usize {
    bytes.take_while(|b| b.is_ascii_alphanumeric()).count()
}

/// Whether a sign between words may be the one of a message; any may that is not ASCII.
fn is_same(found: u8, wanted: u8) -> bool {
    !wanted.is_ascii() || found == wanted || is_blank(found) && wanted.is_ascii_whitespace()
}

/// As messages are read: a query has `+` for a blank.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'+')
}

/// What stands between words of a line where nothing is escaped.
fn is_plain(byte: u8) -> bool {
    is_blank(byte) || byte.is_ascii_punctuation() && !b"\\%".contains(&byte)
}

/// How much of that `rest` begins with.
fn plain_gap(rest: &[u8]) -> usize {
    let is_escape = |at: usize| match rest[at] {
        // A colour, and what it begins with.
        b'[' | b'#' => rest.get(at + 1).is_some_and(u8::is_ascii_digit),
        b'&' => rest[at..].iter().take(8).take_while(|&&b| b != b'\n').any(|b| matches!(b, b'#' | b';')),
        _ => false,
    };
    (0..rest.len()).take_while(|&at| is_plain(rest[at]) && !is_escape(at)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_around(text: &str, word: &str, message: &str) -> bool {
        let (before, rest) = text.split_once(word).expect("the text has it");
        let (first, last) = message.split_once(word).expect("the message has it");
        let may_precede = may_precede(before.as_bytes(), first.as_bytes());
        // One letter rules out nothing that the whole does not.
        let letters = last_letter(before.as_bytes()).zip(last_letter_of(first.as_bytes()));
        assert!(!may_precede || letters.is_none_or(|(found, wanted)| found == wanted), "{text}");
        may_precede && may_follow(rest.as_bytes(), last.as_bytes())
    }

    #[test]
    fn words_of_a_message_may_be_escaped_or_on_another_line() {
        for text in [
            "x: System is busy, please  wait",
            r#"\nSystem is busy, please wait"#,
            "system%20is%20busy%2C%20please%20wait",
            "system+is+busy%2C+please+wait",
            r"System\u0020is\x20busy,&nbsp;please&#32;wait",
            "System is busy, please\nNov 23 shop: wait",
            "系统 busy, please 等",
            "\x1b[31mis \x1b[0mbusy, please wait",
        ] {
            assert!(is_around(text, "busy", "system is busy, please wait"), "{text}");
        }
        for text in [
            "disk is busy, please wait",
            "system is busy, please try",
            "system is busy; please wait",
            "is busy",
            "system is busyness",
        ] {
            assert!(!is_around(&format!("the {text} now"), "busy", "system is busy, please wait"), "{text}");
        }
    }
}
