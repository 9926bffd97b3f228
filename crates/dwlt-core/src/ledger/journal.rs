//! The journal: one JSON line per record, each with a check value that covers it and, through
//! the check value of the line before, everything above it.
//!
//! `{"check":"<32 hex digits>","record":{"event":...,"seq":...,"time":...,...}}`
//!
//! A line that a crash cut short is the last one; it was never acknowledged and is dropped. A bad
//! line with good ones below it cannot come from a crash and is reported.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::canonical::canonical_json;
use crate::clock;
use crate::disk::{self, File};
use crate::error::{Error, Result};

const NAME: &str = "journal";
const SEED: &str = "dwlt-journal-v1";
const CHECK_DIGITS: usize = 32;

/// The events that the ledger itself journals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The run began; carries its header.
    Open,
    /// A step's result is about to be written; carries all its files, the result too.
    Prepare,
    /// A step was done; carries its files.
    Commit,
    /// A step was found done after a crash, all its files as they were prepared; carries them.
    Heal,
    /// A line that a crash cut short was dropped; carries its length.
    Recover,
}

impl Event {
    const ALL: [Self; 5] = [Self::Open, Self::Prepare, Self::Commit, Self::Heal, Self::Recover];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Prepare => "prepare",
            Self::Commit => "commit",
            Self::Heal => "heal",
            Self::Recover => "recover",
        }
    }
}

/// An open journal; the next record goes to its end.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    end: u64,
    check: String,
    count: u64,
}

impl Journal {
    /// Opens a folder's journal, made if need be, drops what a crash left unfinished, and returns
    /// the records.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Vec<Value>)> {
        let path = folder.join(NAME);
        let failed = |error| Error::io("open", &path, error);
        let file = File::open_or_create(&path).map_err(failed)?;
        disk::sync_folder(folder).map_err(failed)?;
        let contents = read(folder)?;
        let Contents { records, end, check, torn, .. } = contents;
        let count = records.len() as u64;
        let mut journal = Self { path, file, end, check, count };
        if torn > 0 {
            journal.cut().map_err(|error| Error::io("mend", &journal.path, error))?;
            if count > 0 {
                journal.append(Event::Recover, serde_json::json!({"bytes": torn}))?;
            }
        }
        Ok((journal, records))
    }

    /// Appends a record of the ledger's own.
    pub(crate) fn append(&mut self, event: Event, fields: Value) -> Result<()> {
        let Value::Object(mut record) = fields else { unreachable!("records are objects") };
        record.insert("event".to_owned(), event.word().into());
        self.write(record)
    }

    /// Appends a record of the caller's.
    pub(crate) fn note(&mut self, note: &Value) -> Result<()> {
        let event = note.get("event").and_then(Value::as_str);
        let (Some(record), Some(event)) = (note.as_object(), event) else {
            return Err(Error::ledger("a note must be a JSON object with an \"event\""));
        };
        let taken = Event::ALL.iter().any(|own| own.word() == event);
        if taken || record.contains_key("seq") || record.contains_key("time") {
            return Err(Error::ledger(format!(
                "a note may not have the event {event:?} together with these keys: \
                 open, prepare, commit, heal, recover, and the keys seq and time, are the ledger's own"
            )));
        }
        self.write(record.clone())
    }

    fn write(&mut self, mut record: Map<String, Value>) -> Result<()> {
        record.insert("seq".to_owned(), self.count.into());
        record.insert("time".to_owned(), clock::now().into());
        let record = canonical_json(&Value::Object(record));
        let check = chain(&self.check, &record);
        let line = format!("{{\"check\":\"{check}\",\"record\":{record}}}\n");
        let written = self
            .file
            .seek(SeekFrom::Start(self.end))
            .and_then(|_| self.file.write_all(line.as_bytes()))
            .and_then(|()| self.file.sync());
        if let Err(error) = written {
            // Part of the line may be there (a full disk). Left alone it would spoil the next.
            let _ = self.cut();
            return Err(Error::io("write", &self.path, error));
        }
        self.end += line.len() as u64;
        self.check = check;
        self.count += 1;
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.end)?;
        self.file.sync()
    }
}

/// What a journal holds.
pub(crate) struct Contents {
    /// The good records, in order.
    pub(crate) records: Vec<Value>,
    /// Bytes up to the end of the last good record.
    end: u64,
    /// Check value of the last good record.
    check: String,
    /// Bytes of an unfinished last line, 0 where there is none.
    pub(crate) torn: u64,
    /// Whether there is a journal at all.
    pub(crate) exists: bool,
}

/// Reads and checks a folder's journal without changing it. A missing journal is an empty one.
pub(crate) fn read(folder: &Path) -> Result<Contents> {
    let path = folder.join(NAME);
    match disk::read(&path) {
        Ok(bytes) => parse(&path, &bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Contents { exists: false, ..parse(&path, &[])? })
        }
        Err(error) => Err(Error::io("read", &path, error)),
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Contents> {
    let mut records = Vec::new();
    let mut check = SEED.to_owned();
    let mut end = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let Some((record, next)) = parse_line(&check, line, records.len()) else {
            if end + line.len() == bytes.len() {
                break; // the last line: cut short by a crash
            }
            return Err(Error::Ledger {
                message: format!("{}: line {} is damaged", path.display(), records.len() + 1),
                hint: Some("restore the journal from a copy, or remove the run folder"),
            });
        };
        records.push(record);
        check = next;
        end += line.len();
    }
    let torn = (bytes.len() - end) as u64;
    Ok(Contents { records, end: end as u64, check, torn, exists: true })
}

/// A line's record and check value, if the line is whole and continues the chain.
fn parse_line(previous: &str, line: &[u8], seq: usize) -> Option<(Value, String)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("}\n")?;
    let (check, record) = line.strip_prefix("{\"check\":\"")?.split_once("\",\"record\":")?;
    if check != chain(previous, record) {
        return None;
    }
    let value: Value = serde_json::from_str(record).ok()?;
    (value["seq"] == seq).then(|| (value, check.to_owned()))
}

/// The check value of a record that follows a line with the check value `previous`.
fn chain(previous: &str, record: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous.as_bytes());
    hasher.update(b"\n");
    hasher.update(record.as_bytes());
    hasher.finalize().to_hex()[..CHECK_DIGITS].to_owned()
}
