//! Says what failed in a record: confirms occurrences by their surroundings, finds the entry, the provider and the
//! ids, and makes one finding of all mentions of one failed operation.
//!
//! Pure: decoded text in, findings out. No text makes it fail.

mod evidence;
mod finder;
mod ids;
mod index;
mod judge;
mod keys;
mod mention;
mod messages;
mod names;
mod operations;
mod phrases;
mod reading;
mod request_id;
mod verdict;

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::catalog::{Catalog, Entry, EntryId, Specificity};
use crate::event::{Confidence, Ids, Kind};
use crate::provider::Provider;
use crate::record::Level;
use crate::record::key::{Key, normal_key};
use crate::record::words::{Word, Worded};

use evidence::{Evidence, WEAK};
use finder::Finder;
use index::{Candidate, Candidates, Claim, Index};
use judge::{Setting, Weight};
use mention::Mention;
use messages::{Found, Messages};
use phrases::{Phrase, Phrases};
use reading::Reading;

pub use names::Providers;
pub use verdict::{Because, Verdict, WhyNot};

/// What is known about a record before its text is read.
#[derive(Debug, Clone, Copy)]
pub struct Hints<'h> {
    /// The source's configured provider.
    pub provider: Option<&'h Provider>,
    /// Those that the file's path names.
    pub of_path: Providers,
}

/// One place of a record where a code or message stands, with the decision about it.
#[derive(Debug, Clone)]
pub struct Occurrence {
    pub range: Range<usize>,
    pub code: String,
    pub kind: Kind,
    pub entry: Arc<Entry>,
    pub provider: Option<Provider>,
    pub confidence: Confidence,
    pub alternatives: Vec<EntryId>,
    pub verdict: Verdict,
    /// How specific it is among the mentions of its record.
    rank: u8,
    /// The field that holds it, in normal spelling.
    key: Option<Key>,
}

/// One failed operation.
#[derive(Debug, Clone)]
pub struct Finding {
    pub occurrence: Occurrence,
    pub ids: Ids,
    /// Counts findings of the same code in the same record, from 0.
    pub ordinal: u32,
    /// Of its record.
    pub level: Option<Level>,
}

/// What stands in a record that may be a code or a message.
struct Spotted<'d> {
    written: SmallVec<[Written<'d>; 2]>,
    /// The longer words that are codes of the catalogue, wherever those count.
    known: SmallVec<[&'d Candidates; 4]>,
    messages: Vec<Found<'d>>,
}

/// A word that may be a code.
enum Written<'i> {
    RequestId(Range<usize>),
    Code(Word, Mention, Option<Claim<'i>>),
}

/// Looks codes and messages up in a catalogue.
#[derive(Debug)]
pub struct Diagnoser {
    catalog: Arc<Catalog>,
    codes: Index,
    messages: Messages,
    /// Of all anchors of messages, and the phrases behind them.
    finder: Finder,
    phrases: Vec<(Phrase, &'static str)>,
}

/// Length from which a number is no longer likely to be some other program's error code.
const LONG: usize = 6;

/// True for Chinese messages of six characters or less: phrases that any program may use.
fn is_everyday(message: &str) -> bool {
    !message.is_ascii() && message.chars().count() <= 6
}

/// Longest word that is taken for a code no entry knows, in bytes; no provider has longer ones.
const MAX_UNKNOWN: usize = 80;

/// Length of a response code, in bytes.
const RESPONSE: usize = 2;

/// Shortest code that tells anything by standing beside its text.
const PAIRED: usize = 6;

/// Ranks below those of error fields: of a code in prose, of one that says how to go on after another, of a message, of a code that
/// says only that the call failed, of the one in a request's id, of a message that says only that it failed.
const PROSE: u8 = 50;
const BESIDE: u8 = 40;
const MESSAGE: u8 = 20;
const GENERAL: u8 = 15;
const REQUEST_ID: u8 = 10;
const GENERAL_MESSAGE: u8 = 5;

impl Diagnoser {
    pub fn new(catalog: Arc<Catalog>) -> Diagnoser {
        let codes = Index::new(catalog.entries().iter());
        let entries = catalog.entries().iter().enumerate();
        let messages = Messages::new(entries.flat_map(|(index, entry)| entry.messages.iter().map(move |m| (m, index))));
        let phrases: Vec<(Phrase, &str)> = phrases::all().collect();
        let finder = Finder::new(messages.anchors().chain(phrases.iter().map(|&(_, text)| text)));
        Diagnoser { catalog, codes, messages, finder, phrases }
    }

    /// The failed operations of a record, in the order in which they stand.
    pub fn diagnose(&self, record: &Worded<'_>, hints: Hints<'_>) -> Vec<Finding> {
        let Some((reading, spotted)) = self.read(record) else { return Vec::new() };
        let setting = Setting::new(&reading);
        let mut occurrences = self.occurrences(setting, spotted, hints);
        occurrences.retain(|o| o.verdict.is_ok());
        operations::operations(setting, occurrences)
    }

    /// Every occurrence in a record, detections or not.
    pub fn examine(&self, record: &Worded<'_>, hints: Hints<'_>) -> Vec<Occurrence> {
        let Some((reading, spotted)) = self.read(record) else { return Vec::new() };
        self.occurrences(Setting::new(&reading), spotted, hints)
    }

    /// A record of which something is found in the catalogue; `None` for most records.
    fn read<'t>(&self, record: &'t Worded<'t>) -> Option<(Reading<'t>, Spotted<'_>)> {
        let (phrases, messages) = self.search(record.text);
        let mut spotted = Spotted { written: SmallVec::new(), known: SmallVec::new(), messages };
        for word in record.words() {
            let known = self.codes.get_word(record, word);
            if let Some(known) = known.filter(|_| word.n_bytes() >= PAIRED) {
                spotted.known.push(known);
            }
            if let Some(written) = written(record.text, word, known) {
                spotted.written.push(written);
            }
        }
        let is_empty = spotted.written.is_empty() && spotted.messages.is_empty();
        (!is_empty).then(|| (Reading::new(record, phrases), spotted))
    }

    /// Looks for phrases and messages.
    fn search(&self, text: &str) -> (Phrases, Vec<Found<'_>>) {
        let (mut phrases, mut anchors) = (Phrases::default(), SmallVec::<[(usize, usize); 16]>::new());
        let n_anchors = self.messages.anchors().len();
        self.finder.find(text, |at, number| match number.checked_sub(n_anchors).map(|n| self.phrases[n]) {
            None => anchors.push((at, number)),
            // Phrases are to be written just so.
            Some((group, phrase)) if text[at..].starts_with(phrase) => phrases.add(group, phrase, at),
            Some(_) => {}
        });
        (phrases, self.messages.confirm(text, &anchors))
    }

    fn occurrences(&self, setting: Setting<'_>, spotted: Spotted<'_>, hints: Hints<'_>) -> Vec<Occurrence> {
        let reading = setting.reading;
        let mut evidence = Evidence::of_record(reading, hints.provider, hints.of_path);
        self.add_pairs(&mut evidence, &spotted);
        let about_payments = evidence.is_strong() || reading.is_about_payments();
        let setting = Setting { about_payments, ..setting };
        let codes = spotted.written.into_iter().filter_map(|written| self.code_at(setting, &evidence, written));
        let messages = spotted.messages.into_iter().map(|found| self.message_at(setting, &evidence, &found));
        codes.chain(messages).collect()
    }

    fn message_at(&self, setting: Setting<'_>, evidence: &Evidence, found: &Found<'_>) -> Occurrence {
        let text = setting.reading.text;
        let mention = Mention::at(text, found.range.clone());
        let here = evidence.at(setting.reading, &mention);
        let verdict = judge::message(setting, &mention);
        let verdict = verdict.and_then(|because| {
            self.has_provider(text, &here, &mention, found)?;
            Ok(because)
        });
        let occurrence = self.occurrence(text, &here, mention, found.entries, verdict, Kind::Message);
        Occurrence { code: occurrence.entry.code_of_message(found.written).to_owned(), ..occurrence }
    }

    /// A code beside an official text of the same provider names that provider as well as a name does.
    fn add_pairs(&self, evidence: &mut Evidence, spotted: &Spotted<'_>) {
        let provider_of = |entry: usize| self.catalog.entries()[entry].provider.as_ref();
        let coded = spotted.known.iter().flat_map(|known| known.all());
        for &entry in spotted.messages.iter().flat_map(|found| found.entries) {
            let Some(provider) = provider_of(entry) else { continue };
            if coded.clone().any(|candidate| provider_of(candidate.entry) == Some(provider)) {
                evidence.pair(provider);
            }
        }
    }

    fn code_at(&self, setting: Setting<'_>, evidence: &Evidence, written: Written<'_>) -> Option<Occurrence> {
        let reading = setting.reading;
        let text = reading.text;
        let (word, mention, claim) = match written {
            Written::RequestId(code) => return self.request_id_code(text, evidence, code),
            Written::Code(word, mention, claim) => (word, mention, claim),
        };
        let here = evidence.at(reading, &mention);
        if let Some(claim) = claim.filter(|claim| !self.is_anothers(&here, claim)) {
            return self.known_code(setting, &here, mention, &claim);
        }
        if !may_be_unknown_code(text, &word, &mention) {
            return None;
        }
        let is_family = mention::is_family(&text[mention.range.clone()]);
        let known_provider = here.winner().is_some_and(|winner| here.weight(winner) > WEAK)
            && (is_family || here.is_manifold() || reading.is_about_payments());
        let specificity = if is_family { Specificity::Distinctive } else { Specificity::Field };
        let verdict = match known_provider {
            true => judge::unknown_code(setting, &mention, specificity),
            false => Err(WhyNot::NeedsProvider),
        };
        Some(self.occurrence(text, &here, mention, &[], verdict, Kind::UnknownCode))
    }

    fn known_code(
        &self,
        setting: Setting<'_>,
        here: &Evidence,
        mention: Mention,
        claim: &Claim<'_>,
    ) -> Option<Occurrence> {
        let text = setting.reading.text;
        let candidates = claim.candidates();
        let own_provider = self.is_spoken_for(here, &mention, candidates);
        let verdict = match claim {
            // Card schemes' fields say whose they are; a field that any shop may have does not.
            Claim::Named(_) => {
                let is_issuers = |c: &&Candidate| self.catalog.entries()[c.entry].provider == Some(Provider::Issuer);
                let meant = own_provider || setting.about_payments && candidates.iter().any(is_issuers);
                judge::named_field(setting, &mention, meant)
            }
            Claim::Open(_) if keys::is_approval(mention.key(), &text[mention.range.clone()]) => return None,
            Claim::Open(_) => {
                let specificity = candidates.iter().map(|c| c.specificity).min_by_key(|&s| s as u8);
                let specificity = specificity.unwrap_or(Specificity::Field);
                let own_fields = here.has_fields() || setting.reading.phrases.has(Phrase::Gateway);
                judge::code(setting, &mention, Weight { specificity, own_provider, own_fields })
            }
        };
        let entries: SmallVec<[usize; 4]> = candidates.iter().map(|c| c.entry).collect();
        Some(self.occurrence(text, here, mention, &entries, verdict, Kind::Code))
    }

    /// The end of a request's id tells the cause of a failure that other words of the record tell less finely.
    fn request_id_code(&self, text: &str, evidence: &Evidence, code: Range<usize>) -> Option<Occurrence> {
        let claim = self.codes.get(&text[code.clone()])?.claim("")?;
        let entries: SmallVec<[usize; 4]> = claim.candidates().iter().map(|c| c.entry).collect();
        let mention = Mention { range: code, field: None, bracketed: false, quoted: false };
        let verdict = Ok(Because::ErrorField(request_id::FIELD.to_owned()));
        let here = evidence.and(&Provider::WechatPay);
        let occurrence = self.occurrence(text, &here, mention, &entries, verdict, Kind::Code);
        Some(Occurrence { rank: REQUEST_ID, key: Some(normal_key(request_id::KEY)), ..occurrence })
    }

    /// True if something speaks for the provider of one of the entries. An issuer's codes come through every provider: they
    /// need a field for card schemes' codes, or to be long.
    fn is_spoken_for(&self, evidence: &Evidence, mention: &Mention, candidates: &[&Candidate]) -> bool {
        let scheme_field = keys::holds_short_codes(mention.key());
        candidates.iter().any(|c| match &self.catalog.entries()[c.entry].provider {
            None => true,
            Some(Provider::Issuer) if scheme_field || mention.range.len() >= LONG => true,
            Some(provider) => evidence.weight(provider) > 0,
        })
    }

    /// True if the record names a provider, and the code is known of other providers only: then it is a code that no entry
    /// knows.
    fn is_anothers(&self, evidence: &Evidence, claim: &Claim<'_>) -> bool {
        let is_foreign = |c: &&Candidate| match &self.catalog.entries()[c.entry].provider {
            None | Some(Provider::Issuer) => false,
            Some(provider) => c.specificity != Specificity::Distinctive && evidence.weight(provider) == 0,
        };
        evidence.winner().is_some() && claim.candidates().iter().all(is_foreign)
    }

    /// Whether a message may be one of these entries': none of them must be contradicted by the provider that the record
    /// names, and an everyday phrase needs its provider named.
    fn has_provider(
        &self,
        text: &str,
        evidence: &Evidence,
        mention: &Mention,
        found: &Found<'_>,
    ) -> Result<(), WhyNot> {
        let fits = |&index: &usize| match &self.catalog.entries()[index].provider {
            None | Some(Provider::Issuer) => !found.needs_provider || evidence.is_strong(),
            Some(provider) => evidence.weight(provider) > 0,
        };
        match found.entries.iter().any(fits) {
            true => Ok(()),
            false if !evidence.is_empty() => Err(WhyNot::OtherProvider),
            false if found.needs_provider || is_everyday(&text[mention.range.clone()]) => Err(WhyNot::NeedsProvider),
            false => Ok(()),
        }
    }

    /// `evidence` is as seen from the mention.
    fn occurrence(
        &self,
        text: &str,
        evidence: &Evidence,
        mention: Mention,
        candidates: &[usize],
        verdict: Verdict,
        kind: Kind,
    ) -> Occurrence {
        let entries: SmallVec<[&Arc<Entry>; 4]> =
            candidates.iter().map(|&index| &self.catalog.entries()[index]).collect();
        let choice = choose(&entries, evidence);
        let entry = choice.map_or_else(|| self.catalog.fallback(), |n| entries[n]).clone();
        let winner = evidence.winner();
        let is_open = winner.is_none() && entries.iter().any(|other| other.provider != entry.provider);
        let provider = entry.provider.clone().filter(|_| !is_open).or_else(|| winner.cloned());
        let written = &text[mention.range.clone()];
        Occurrence {
            code: written.to_owned(),
            confidence: confidence(&entry, evidence, kind, mention.rank()),
            alternatives: entries
                .iter()
                .filter(|e| e.id != entry.id && provider.is_none())
                .map(|e| e.id.clone())
                .collect(),
            rank: match kind {
                Kind::Message if entry.general => GENERAL_MESSAGE,
                Kind::Message => MESSAGE,
                _ if entry.general => GENERAL + u8::from(mention.rank() > keys::CODE),
                _ if keys::has_own_codes(mention.key()) => BESIDE,
                _ => mention.rank().max(PROSE),
            },
            key: mention.field.filter(|field| !field.loose).map(|field| field.key),
            range: mention.range,
            kind,
            entry,
            provider,
            verdict,
        }
    }
}

/// The entry that the evidence speaks for: the one of the winning provider, else the one without a provider, else the
/// first.
fn choose(entries: &[&Arc<Entry>], evidence: &Evidence) -> Option<usize> {
    let winner = evidence.winner();
    let of_winner = entries.iter().position(|entry| entry.provider.is_some() && entry.provider.as_ref() == winner);
    of_winner.or_else(|| entries.iter().position(|entry| entry.provider.is_none())).or(if entries.is_empty() {
        None
    } else {
        Some(0)
    })
}

fn confidence(entry: &Entry, evidence: &Evidence, kind: Kind, rank: u8) -> Confidence {
    let agrees = match (&entry.provider, evidence.winner()) {
        (Some(own), Some(winner)) => own == winner,
        (None, Some(_)) => true,
        (Some(_), None) => entry.codes.iter().any(|code| code.specificity == Specificity::Distinctive),
        (None, None) => false,
    };
    match (agrees, kind) {
        (true, Kind::Code | Kind::UnknownCode) if rank > 0 => Confidence::High,
        (true, Kind::Code) => Confidence::High,
        (true, _) | (false, Kind::Code) => Confidence::Medium,
        (false, _) => Confidence::Low,
    }
}

/// What a word may be as a code, by itself and by its field; `known` is what the catalogue has under its name.
fn written<'d>(text: &str, word: &Word, known: Option<&'d Candidates>) -> Option<Written<'d>> {
    if !word.is_plain()
        && let Some(code) = request_id::code(text, &word.range())
    {
        return Some(Written::RequestId(code));
    }
    if known.is_none() && !is_code_like(text, word) || is_of_clock(text, word) || is_bare(text, word, known) {
        return None;
    }
    let mention = Mention::at(text, word.range());
    let claim = known.and_then(|known| known.claim(mention.key()));
    match &claim {
        Some(Claim::Open(candidates)) if judge::is_mere_number(text, &mention, candidates) => None,
        None if !may_be_unknown_code(text, word, &mention) => None,
        _ => Some(Written::Code(*word, mention, claim)),
    }
}

/// True for words that are codes in a field or in brackets only, and stand in none.
fn is_bare(text: &str, word: &Word, known: Option<&Candidates>) -> bool {
    let needs_place = match known {
        Some(known) => judge::is_number_or_short(&text[word.range()]) && known.all().iter().all(Candidate::needs_place),
        None => !mention::is_code_shaped(&text[word.range()]),
    };
    needs_place && !mention::may_be_value(text, word.start) && !mention::is_bracketed(text, &word.range())
}

/// True for words that are written like a code: of a provider's own family, capitals, or the two characters of a
/// response code; and that say more than that there is an error.
#[inline]
fn is_code_like(text: &str, word: &Word) -> bool {
    let capitals = word.is_constant() && word.n_bytes() >= 4;
    let may_be = capitals || word.n_bytes() == RESPONSE || word.is_jointed();
    may_be && word.n_bytes() <= MAX_UNKNOWN && {
        let written = &text[word.range()];
        (capitals || is_response(written) || mention::is_family(written)) && !is_outcome(written)
    }
}

fn is_response(word: &str) -> bool {
    word.len() == RESPONSE && word.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// True for the minutes and seconds of a time, `08:51:05`: they are written like response codes, and behind a colon.
fn is_of_clock(text: &str, word: &Word) -> bool {
    let before = &text.as_bytes()[..word.start];
    let is_clock = matches!(before, [.., a, b, b':'] if a.is_ascii_digit() && b.is_ascii_digit());
    is_clock
        && word.is_number()
        && word.n_bytes() == 2
        && before.get(before.len().wrapping_sub(4)).is_none_or(|&b| matches!(b, b' ' | b':' | b'T'))
}

/// True for a code-like word in an error field or right behind a word of failure, or of a provider's own family.
fn may_be_unknown_code(text: &str, word: &Word, mention: &Mention) -> bool {
    let written = &text[word.range()];
    let in_field = if is_response(written) { mention.key() == "respcode" } else { mention.rank() >= keys::CODE };
    let announced = || mention::is_code_shaped(written) && judge::is_announced(text, mention);
    is_code_like(text, word) && (mention::is_family(written) || in_field || announced())
}

/// Values of error fields that are no errors, or say no more than that there is one.
fn is_outcome(word: &str) -> bool {
    matches!(
        word,
        "SUCCESS"
            | "FAIL"
            | "FAILED"
            | "FAILURE"
            | "ERROR"
            | "TRUE"
            | "FALSE"
            | "NULL"
            | "NONE"
            | "PROCESSING"
            | "PENDING"
            | "UNKNOWN"
            | "UNKNOW"
            | "ACCEPTED"
            | "SUCCEED"
            | "SUCCEEDED"
            | "INIT"
            | "DONE"
            | "00"
            | "A6"
    ) || is_runtime_error(word)
}

/// What runtimes and HTTP clients put into a field named `code`: `ECONNREFUSED`, `ERR_BAD_REQUEST`.
fn is_runtime_error(word: &str) -> bool {
    word.starts_with("ERR_") || word.starts_with('E') && !word.contains('_') && !word.ends_with("ERROR")
}
