//! A cursor over parsed TOML that knows where it stands and reports what is wrong there.
//!
//! A [`Table`] is asked for its keys one by one, each with its kind, default and help. What it was asked for is
//! all it knows: any other key is reported when the table is done. So the keys that are read, the keys that
//! are suggested and the keys that are documented cannot differ.

use toml::de::{DeTable, DeValue};

use super::OptionHelp;
use super::kind::Kind;
use super::problem::{Fault, Report};

/// A value and its place.
pub(super) struct Node<'a> {
    pub report: &'a Report<'a>,
    /// `source[0].paths`
    pub key: String,
    /// Byte offset of the value.
    pub at: usize,
    pub value: &'a DeValue<'a>,
}

impl<'a> Node<'a> {
    pub fn fault(&self, fault: Fault) {
        self.report.add(self.at, self.key.as_str(), fault);
    }

    /// A value of another type than wanted.
    pub fn mismatch(&self, wanted: &str) -> Fault {
        Fault::new(format!("expected {wanted}, found {}", found(self.value)))
    }

    /// The elements of a list.
    pub fn elements(&self) -> Option<impl Iterator<Item = Node<'a>>> {
        let (report, key) = (self.report, self.key.clone());
        self.value.as_array().map(|array| {
            array.iter().enumerate().map(move |(index, element)| Node {
                report,
                key: format!("{key}[{index}]"),
                at: element.span().start,
                value: element.get_ref(),
            })
        })
    }

    /// The values of a table whose keys are the user's own.
    pub fn members(&self) -> Option<impl Iterator<Item = (&'a str, Node<'a>)>> {
        let (report, key) = (self.report, self.key.clone());
        self.value.as_table().map(|table| {
            table.iter().map(move |(name, value)| {
                let key = join(&key, name.get_ref());
                (name.get_ref().as_ref(), Node { report, key, at: value.span().start, value: value.get_ref() })
            })
        })
    }
}

/// A table with a closed set of keys.
pub(super) struct Table<'a> {
    report: &'a Report<'a>,
    path: String,
    at: usize,
    /// `None`: the table is not there, and every key takes its default.
    entries: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
    refused: Vec<&'static str>,
    options: Vec<OptionHelp>,
}

impl<'a> Table<'a> {
    /// Reads a whole document, and says which options it was asked for.
    pub fn document<T>(
        report: &'a Report<'a>,
        entries: &'a DeTable<'a>,
        read: impl FnOnce(&mut Table<'a>) -> T,
    ) -> (T, Vec<OptionHelp>) {
        Table::new(report, String::new(), 0, Some(entries)).finish(read)
    }

    fn new(report: &'a Report<'a>, path: String, at: usize, entries: Option<&'a DeTable<'a>>) -> Table<'a> {
        Table { report, path, at, entries, known: Vec::new(), refused: Vec::new(), options: Vec::new() }
    }

    fn finish<T>(mut self, read: impl FnOnce(&mut Table<'a>) -> T) -> (T, Vec<OptionHelp>) {
        let value = read(&mut self);
        self.report_unknown_keys();
        (value, self.options)
    }

    /// A key with a default.
    pub fn or<T>(&mut self, key: &'static str, kind: &Kind<T>, default: T, help: &'static str) -> T {
        let shown = kind.write(&default).to_string();
        self.read(key, kind, shown, help).unwrap_or(default)
    }

    /// A key that may be left out; `default` tells users what holds then.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        kind: &Kind<T>,
        default: &'static str,
        help: &'static str,
    ) -> Option<T> {
        self.read(key, kind, default.into(), help)
    }

    /// A key that must be there. `None` has been reported.
    pub fn required<T>(&mut self, key: &'static str, kind: &Kind<T>, help: &'static str) -> Option<T> {
        let value = self.read(key, kind, "required".into(), help);
        if self.node(key).is_none() {
            self.missing(key, "it has no default");
        }
        value
    }

    /// Reports that a key, or another in its place, should be there.
    pub fn missing(&self, key: &str, hint: &str) {
        self.report.add_missing(self.at, join(&self.path, key), hint);
    }

    /// A key that paytriage will know one day.
    pub fn not_yet(&mut self, key: &'static str, what: &str) {
        self.never(key, Fault::new(format!("this version of paytriage has no {what} yet")).hint("remove it"));
    }

    /// A key that people may well try, and what is wrong with it.
    pub fn never(&mut self, key: &'static str, fault: Fault) {
        self.refused.push(key);
        if let Some((key_at, _)) = self.entry(key) {
            self.report.add(key_at, join(&self.path, key), fault);
        }
    }

    /// A table inside this one; where it is absent, all its keys take their defaults.
    pub fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Table<'a>) -> T) -> T {
        self.known.push(key);
        let (at, entries) = self.node(key).and_then(|node| subtable(&node)).unzip();
        self.enter(join(&self.path, key), at.unwrap_or(self.at), entries, read)
    }

    /// A table whose being there means something.
    pub fn optional_table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Table<'a>) -> T) -> Option<T> {
        self.known.push(key);
        let (at, entries) = self.node(key).and_then(|node| subtable(&node))?;
        Some(self.enter(join(&self.path, key), at, Some(entries), read))
    }

    /// The tables of a `[[key]]` list.
    pub fn tables<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Table<'a>) -> T) -> Vec<T> {
        self.known.push(key);
        let Some(node) = self.node(key) else { return Vec::new() };
        let Some(elements) = node.elements() else {
            node.fault(node.mismatch("a list of tables").hint(format!("write [[{}]]", node.key)));
            return Vec::new();
        };
        elements
            .filter_map(|element| {
                let (at, entries) = subtable(&element)?;
                Some(self.enter(element.key, at, Some(entries), &mut read))
            })
            .collect()
    }

    /// Does it stand there, readable or not?
    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Reports a value that is impossible only beside others.
    pub fn fault(&self, key: &'static str, fault: Fault) {
        if let Some(node) = self.node(key) {
            node.fault(fault);
        }
    }

    fn enter<T>(
        &mut self,
        path: String,
        at: usize,
        entries: Option<&'a DeTable<'a>>,
        read: impl FnOnce(&mut Table<'a>) -> T,
    ) -> T {
        let (value, options) = Table::new(self.report, path, at, entries).finish(read);
        self.options.extend(options);
        value
    }

    fn read<T>(&mut self, key: &'static str, kind: &Kind<T>, default: String, help: &'static str) -> Option<T> {
        self.known.push(key);
        self.options.push(OptionHelp { key: join(&self.path, key), kind: kind.wants.clone(), default, help });
        self.node(key).and_then(|node| kind.read(&node))
    }

    fn node(&self, key: &str) -> Option<Node<'a>> {
        self.entry(key).map(|(_, node)| node)
    }

    /// Where the key stands, and its value.
    fn entry(&self, key: &str) -> Option<(usize, Node<'a>)> {
        let (name, value) = self.entries?.get_key_value(key)?;
        let node =
            Node { report: self.report, key: join(&self.path, key), at: value.span().start, value: value.get_ref() };
        Some((name.span().start, node))
    }

    fn report_unknown_keys(&self) {
        for (name, _) in self.entries.into_iter().flatten() {
            let key: &str = name.get_ref();
            if !self.known.contains(&key) && !self.refused.contains(&key) {
                let fault = Fault::new("unknown key").nearest(key, self.known.iter().copied());
                let fault = if fault.has_hint() { fault } else { belongs_elsewhere(fault, key) };
                self.report.add(name.span().start, join(&self.path, key), fault);
            }
        }
    }
}

/// TOML's usual trap: a key written below the header of another table than its own.
fn belongs_elsewhere(fault: Fault, key: &str) -> Fault {
    let options = super::options();
    let mut homes = options.iter().map(|option| option.key.rsplit_once('.').unwrap_or(("", &option.key)));
    let is_home = |&(_, name): &(&str, &str)| name == key;
    match (homes.find(is_home), homes.find(is_home)) {
        (Some(("", _)), None) => fault.hint("it belongs above the first [table]"),
        (
            Some((
                table @ ("source" | "sink.webhook" | "incident.threshold" | "incident.silence" | "incident.mute"),
                _,
            )),
            None,
        ) => fault.hint(format!("it belongs to a [[{table}]]")),
        (Some((table, _)), None) => fault.hint(format!("it belongs to [{table}]")),
        _ => fault,
    }
}

fn subtable<'a>(node: &Node<'a>) -> Option<(usize, &'a DeTable<'a>)> {
    let table = node.value.as_table();
    if table.is_none() {
        let fault = node.mismatch("a table");
        let name = node.key.rsplit('.').next().unwrap_or_default();
        // Who wants all of it says yes.
        let is_yes = node.value.as_bool() == Some(true) && !name.ends_with(']');
        node.fault(if is_yes { fault.hint(format!("write {name} = {{}}")) } else { fault });
    }
    table.map(|table| (node.at, table))
}

fn join(path: &str, key: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let key = if !key.is_empty() && key.bytes().all(bare) { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
