//! The journal's export format (<https://systemd.io/JOURNAL_EXPORT_FORMATS/>): fields as `NAME=value` lines, or, where a value holds what is no text,
//! the name alone, eight bytes of length, and the value; an empty line ends the entry. Memory is bounded whatever is read.

use std::io::{self, BufRead, Read};

use jiff::Timestamp;

use super::{Cursor, Entry};

/// The fields that are asked for; those of the entry's address come with them.
pub const FIELDS: &str = "CONTAINER_ID_FULL,CONTAINER_PARTIAL_MESSAGE,MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_HOSTNAME,_LINE_BREAK,_PID,_STREAM_ID,_SYSTEMD_UNIT,_SYSTEMD_USER_UNIT,_TRANSPORT";

/// Longer messages are cut.
const MAX_MESSAGE: usize = 1024 * 1024;
/// Everything else is shorter, or of no use.
const MAX_FIELD: usize = 4096;

/// The fields of an entry so far.
#[derive(Default)]
struct Fields {
    cursor: Option<String>,
    realtime: Option<i64>,
    message: Vec<u8>,
    is_cut: bool,
    unit: Option<String>,
    user_unit: Option<String>,
    identifier: Option<String>,
    stream: Option<String>,
    pid: Option<String>,
    host: Option<String>,
    priority: Option<u8>,
    command: Option<String>,
    container: Option<String>,
    is_partial: bool,
    is_of_stdout: bool,
}

/// Reads the next entry; `None` at the end, also in the middle of one.
///
/// # Errors
/// It cannot be read, or is not in the export format.
pub fn read(from: &mut impl BufRead) -> io::Result<Option<Entry>> {
    let mut fields = Fields::default();
    loop {
        let mut line = Vec::new();
        let line_end = read_line(from, &mut line, MAX_MESSAGE + MAX_FIELD)?;
        if line_end == LineEnd::Missing {
            return Ok(None);
        }
        if line.is_empty() {
            // Empty lines may stand anywhere between entries.
            if let Some(entry) = fields.entry() {
                return Ok(Some(entry));
            }
            continue;
        }
        match memchr::memchr(b'=', &line) {
            Some(at) => {
                let value = line.split_off(at + 1);
                fields.set(&line[..at], value, line_end == LineEnd::Beyond);
            }
            None => {
                let Some((value, is_cut)) = read_binary(from)? else { return Ok(None) };
                fields.set(&line, value, is_cut);
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum LineEnd {
    Read,
    /// It was longer, and the rest of it is passed over.
    Beyond,
    /// What is read from ended before.
    Missing,
}

fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>, most: usize) -> io::Result<LineEnd> {
    let mut is_longer = false;
    loop {
        let chunk = match from.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() {
            return Ok(LineEnd::Missing);
        }
        let end = memchr::memchr(b'\n', chunk);
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let kept = part.len().min(most - line.len());
        line.extend_from_slice(&part[..kept]);
        is_longer |= kept < part.len();
        let used = part.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Ok(if is_longer { LineEnd::Beyond } else { LineEnd::Read });
        }
    }
}

/// A value with its length before it, and whether it was cut; `None` where it is not there as a whole.
fn read_binary(from: &mut impl BufRead) -> io::Result<Option<(Vec<u8>, bool)>> {
    let mut length = [0; 8];
    if !is_there(from.read_exact(&mut length))? {
        return Ok(None);
    }
    let length = u64::from_le_bytes(length);
    let kept = length.min(MAX_MESSAGE as u64);
    let mut value = Vec::new();
    if from.take(kept).read_to_end(&mut value)? as u64 != kept {
        return Ok(None);
    }
    if io::copy(&mut from.take(length - kept), &mut io::sink())? != length - kept {
        return Ok(None);
    }
    let mut end = [0];
    if !is_there(from.read_exact(&mut end))? {
        return Ok(None);
    }
    if end != *b"\n" {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a field of the export format does not end where it says",
        ));
    }
    Ok(Some((value, kept < length)))
}

fn is_there(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

impl Fields {
    fn set(&mut self, name: &[u8], value: Vec<u8>, is_cut: bool) {
        if name == b"MESSAGE" {
            // An entry may have several; the first one is what is shown.
            if self.message.is_empty() {
                (self.message, self.is_cut) = (value, is_cut);
                self.is_cut |= self.message.len() > MAX_MESSAGE;
                self.message.truncate(MAX_MESSAGE);
            }
            return;
        }
        let Some(text) =
            Some(value).filter(|value| value.len() <= MAX_FIELD).and_then(|value| String::from_utf8(value).ok())
        else {
            return;
        };
        match name {
            b"__CURSOR" => self.cursor = Some(text),
            b"__REALTIME_TIMESTAMP" => self.realtime = text.parse().ok(),
            b"_SYSTEMD_UNIT" => self.unit = Some(text),
            b"_SYSTEMD_USER_UNIT" => self.user_unit = Some(text),
            b"SYSLOG_IDENTIFIER" => self.identifier = Some(text),
            b"_STREAM_ID" => self.stream = Some(text),
            b"_PID" => self.pid = Some(text),
            b"_HOSTNAME" => self.host = Some(text),
            b"PRIORITY" => self.priority = text.parse().ok(),
            b"_COMM" => self.command = Some(text),
            b"_LINE_BREAK" => self.is_partial |= text == "line-max",
            // The runtimes of containers hand over the lines of their output one by one.
            b"CONTAINER_ID_FULL" => self.container = Some(text),
            b"CONTAINER_PARTIAL_MESSAGE" => self.is_partial |= text == "true",
            b"_TRANSPORT" => self.is_of_stdout = text == "stdout",
            _ => {}
        }
    }

    fn entry(&mut self) -> Option<Entry> {
        let fields = std::mem::take(self);
        // Several processes may write to one stream, each its own lines.
        let stream = fields.stream.filter(|_| fields.is_of_stdout);
        let stream = stream.map(|stream| format!("{stream}/{}", fields.pid.as_deref().unwrap_or_default()));
        let stream = fields.container.or(stream);
        Some(Entry {
            cursor: Cursor(fields.cursor?),
            time: Timestamp::from_microsecond(fields.realtime?).ok()?,
            message: fields.message,
            is_cut: fields.is_cut,
            is_partial: fields.is_partial,
            unit: fields.user_unit.or(fields.unit),
            identifier: fields.identifier,
            // What a stream says without a level is given one all the same.
            priority: fields.priority.filter(|_| stream.is_none()),
            stream,
            host: fields.host,
            command: fields.command,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<Entry> {
        std::iter::from_fn(|| read(&mut bytes).unwrap()).collect()
    }

    fn binary(name: &str, value: &[u8]) -> Vec<u8> {
        [name.as_bytes(), b"\n", &(value.len() as u64).to_le_bytes(), value, b"\n"].concat()
    }

    const ADDRESS: &str = "__CURSOR=s=a;i=1\n__REALTIME_TIMESTAMP=1700000000000001\n";

    #[test]
    fn fields_are_lines_or_have_their_length() {
        let of_line = format!(
            "{ADDRESS}_TRANSPORT=stdout\n_STREAM_ID=ab\n_PID=7\nMESSAGE=a=b\nPRIORITY=6\n_LINE_BREAK=line-max\n\n"
        );
        let of_container = format!(
            "{ADDRESS}_TRANSPORT=journal\nCONTAINER_ID_FULL=c1\nCONTAINER_PARTIAL_MESSAGE=true\nMESSAGE=x\nPRIORITY=3\n\n"
        );
        let container = &all(of_container.as_bytes())[0];
        assert_eq!((container.stream.as_deref(), container.is_partial, container.priority), (Some("c1"), true, None));
        let of_bytes = [
            ADDRESS.as_bytes(),
            b"PRIORITY=3\n",
            &binary("MESSAGE", b"one\n\xff\n\ntwo"),
            b"_SYSTEMD_UNIT=a.service\n\n",
        ]
        .concat();
        let entries = all(&[of_line.as_bytes(), b"\n", &of_bytes].concat());
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].message.as_slice(), entries[0].stream.as_deref()), (b"a=b".as_slice(), Some("ab/7")));
        assert_eq!((entries[0].priority, entries[0].is_partial), (None, true));
        assert_eq!((entries[1].message.as_slice(), entries[1].stream.as_ref()), (b"one\n\xff\n\ntwo".as_slice(), None));
        assert_eq!((entries[1].priority, entries[1].path()), (Some(3), "journal:a.service".to_owned()));
    }

    #[test]
    fn long_messages_are_cut_and_what_follows_is_read() {
        let long = vec![b'x'; 3 * MAX_MESSAGE];
        let text = [ADDRESS.as_bytes(), b"MESSAGE=", &long, b"\nPRIORITY=1\n\n"].concat();
        let bytes = [ADDRESS.as_bytes(), &binary("MESSAGE", &long), b"PRIORITY=1\n\n"].concat();
        let other = [ADDRESS.as_bytes(), &binary("OTHER", &long), b"MESSAGE=x\nPRIORITY=1\n\n"].concat();
        for (entry, (len, is_cut)) in
            all(&[text, bytes, other].concat()).iter().zip([(MAX_MESSAGE, true), (MAX_MESSAGE, true), (1, false)])
        {
            assert_eq!((entry.message.len(), entry.is_cut, entry.priority), (len, is_cut, Some(1)));
        }
    }

    #[test]
    fn a_wrong_length_is_an_error_and_an_end_is_none() {
        let mut wrong = [ADDRESS.as_bytes(), &binary("MESSAGE", b"abc"), b"\n"].concat();
        let at = ADDRESS.len() + "MESSAGE\n".len();
        wrong[at] = 1;
        assert!(read(&mut wrong.as_slice()).is_err());
        wrong[at] = 200;
        assert_eq!(read(&mut wrong.as_slice()).unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_chunks_are_read_alike(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'='), any::<u8>()], 0..300), size in 1usize..40) {
            let entry = [ADDRESS.as_bytes(), b"MESSAGE=m\n\n"].concat();
            let bytes = [entry.as_slice(), &bytes].concat();
            let read_all = |mut from: &mut dyn BufRead| {
                let mut entries = Vec::new();
                while let Ok(Some(entry)) = read(&mut from) { entries.push(entry); }
                entries
            };
            let whole = read_all(&mut bytes.as_slice());
            prop_assert!(!whole.is_empty());
            prop_assert_eq!(whole, read_all(&mut BufReader::with_capacity(size, bytes.as_slice())));
        }
    }
}
