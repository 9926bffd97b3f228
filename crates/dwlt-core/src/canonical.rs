//! JSON in one canonical spelling, and the run id that is a digest of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::error::{Error, Result};

/// A value as JSON without spaces, keys sorted by code point.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

// Sorted here, not left to serde_json: whether its maps are sorted depends on a feature that any
// other crate in the build may switch.
fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            text.push('{');
            for (i, (key, item)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                let _ = write!(text, "{}:", Value::from(key.as_str()));
                write(item, text);
            }
            text.push('}');
        }
        scalar => {
            let _ = write!(text, "{scalar}");
        }
    }
}

/// The id of a run: eight hexadecimal digits that depend on the stage, on the settings that
/// differ from the defaults (a JSON object) and on the digests of what the run starts from.
///
/// Neither the order of keys nor the spacing of `values_json` matters.
pub fn run_id(stage: &str, values_json: &str, starts: &BTreeMap<String, String>) -> Result<String> {
    let values: Value = serde_json::from_str(values_json)
        .map_err(|error| Error::ledger(format!("the values of a run are not JSON: {error}")))?;
    if !values.is_object() {
        return Err(Error::ledger("the values of a run must be a JSON object"));
    }
    let identity = serde_json::json!({"stage": stage, "starts": starts, "values": values});
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"dwlt-run-v1\n");
    hasher.update(canonical_json(&identity).as_bytes());
    Ok(hasher.finalize().to_hex()[..8].to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{canonical_json, run_id};

    #[test]
    fn spelling_is_sorted_and_tight() {
        let value =
            serde_json::from_str(r#"{ "b": [1, 2.50, "é\n"], "a": {"z": null, "y": true} }"#);
        assert_eq!(
            canonical_json(&value.unwrap()),
            r#"{"a":{"y":true,"z":null},"b":[1,2.5,"é\n"]}"#
        );
    }

    #[test]
    fn run_id_depends_on_values_and_starts_alone() {
        let starts = BTreeMap::from([("weights".to_owned(), "b3:00".to_owned())]);
        let id = run_id("prune", r#"{"rounds": 20, "rate": 0.2}"#, &starts).unwrap();
        assert_eq!(run_id("prune", r#"{"rate":0.2,"rounds":20}"#, &starts).unwrap(), id);
        let others = [
            run_id("transfer", r#"{"rounds": 20, "rate": 0.2}"#, &starts),
            run_id("prune", r#"{"rounds": 21, "rate": 0.2}"#, &starts),
            run_id("prune", r#"{"rounds": 20, "rate": 0.2}"#, &BTreeMap::new()),
        ];
        for other in others {
            assert_ne!(other.unwrap(), id);
        }
    }

    #[test]
    fn the_id_of_a_run_is_pinned() {
        // Run folders carry it; another value here would start every user's runs anew.
        let starts = BTreeMap::from([("weights".to_owned(), "b3:00".to_owned())]);
        let id = run_id("prune", r#"{"rounds":20,"rate":0.2,"name":"é"}"#, &starts);
        assert_eq!(id.unwrap(), "52fecf11");
    }

    #[test]
    fn values_must_be_an_object() {
        for text in ["", "[]", "3", "{", "{} x"] {
            assert!(run_id("prune", text, &BTreeMap::new()).is_err(), "{text}");
        }
    }
}
