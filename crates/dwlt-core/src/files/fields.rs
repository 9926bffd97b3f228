//! The metadata of files that dwlt defines: every key is there, and none that is unknown.

use std::collections::BTreeMap;

/// The keys that have not been taken yet, by name. Errors are texts for a format error.
pub(crate) struct Fields<'a> {
    left: BTreeMap<&'a str, &'a str>,
}

impl<'a> Fields<'a> {
    /// The metadata of a file that must be of this format and version; `what` is its kind in words.
    pub(crate) fn of(
        metadata: &'a [(String, String)],
        what: &str,
        format: &str,
        version: &str,
    ) -> Result<Self, String> {
        let left = metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut fields = Self { left };
        match fields.left.remove("format") {
            Some(found) if found == format => {}
            Some(other) => return Err(format!("not a {what}: its format is {other:?}")),
            None => return Err(format!("not a {what}: its metadata name no format")),
        }
        let found = fields.take("version")?;
        if found != version {
            return Err(format!("version {found:?}; this dwlt reads version {version}"));
        }
        Ok(fields)
    }

    /// The value of a key that has to be there.
    pub(crate) fn take(&mut self, key: &str) -> Result<&'a str, String> {
        self.left.remove(key).ok_or_else(|| format!("the metadata lack {key:?}"))
    }

    /// That every key was taken.
    pub(crate) fn end(self) -> Result<(), String> {
        match self.left.keys().next() {
            Some(key) => Err(format!("the metadata have an unknown key {key:?}")),
            None => Ok(()),
        }
    }
}
