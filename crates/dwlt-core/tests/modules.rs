//! No module of the core imports another that, over whatever way, imports it: the imports of the
//! source files are read, tests left out.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Source files by module path (`select::scan`); a folder's `mod.rs` is the folder's module.
fn sources(folder: &Path, inside: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let name = if inside.is_empty() { stem.to_owned() } else { format!("{inside}::{stem}") };
        if path.is_dir() {
            sources(&path, &name, found);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            found.insert(name.trim_end_matches("::mod").to_owned(), text);
        }
    }
}

/// Every path of a `use` statement after a prefix: `a::{b, c::d}` gives `a::b` and `a::c::d`.
fn paths(text: &str, prefix: &str) -> Vec<String> {
    fn expand(base: &str, rest: &str, found: &mut Vec<String>) {
        match rest.split_once('{') {
            None => found.push(format!("{base}{rest}")),
            Some((before, group)) => {
                let group = group.strip_suffix('}').unwrap();
                let (mut depth, mut begin) = (0, 0);
                for (i, c) in group.char_indices().chain([(group.len(), ',')]) {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            expand(&format!("{base}{before}"), &group[begin..i], found);
                            begin = i + 1;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    let mut found = Vec::new();
    for statement in text.split(';') {
        let line = statement.trim_start();
        let Some(at) = line.find(prefix).filter(|&at| at == 0 || line[..at].ends_with('\n')) else {
            continue;
        };
        let flat: String = line[at + prefix.len()..].split_whitespace().collect();
        expand("", &flat, &mut found);
    }
    found
}

/// The module that a path leads to: the longest one, through what a folder's module hands on.
fn module_of(path: &str, modules: &BTreeMap<String, String>) -> Option<String> {
    let parts: Vec<&str> = path.split("::").collect();
    for length in (1..=parts.len()).rev() {
        let module = parts[..length].join("::");
        let Some(text) = modules.get(&module) else { continue };
        let name = parts.get(length).copied().unwrap_or("self");
        let handed = ["pub use ", "pub(crate) use "].iter().flat_map(|by| paths(text, by));
        for inner in handed {
            if inner.rsplit("::").next() == Some(name) {
                return module_of(&format!("{module}::{inner}"), modules);
            }
        }
        return Some(module);
    }
    None
}

#[test]
fn imports_form_no_circle() {
    let mut modules = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&root, "", &mut modules);
    for left_out in ["lib", "durability", "disk::fault"] {
        assert!(modules.remove(left_out).is_some(), "{left_out}");
    }
    let mut imports: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, text) in &modules {
        let above = name.rsplit_once("::").map_or("", |(above, _)| above);
        let absolute = paths(text, "use crate::").into_iter();
        let beside = paths(text, "use super::").into_iter().map(|path| format!("{above}::{path}"));
        // `use journal::Journal` in a folder's module.
        let inside = paths(text, "use ").into_iter().map(|path| format!("{name}::{path}"));
        let found = absolute.chain(beside).chain(inside);
        let found = found.filter_map(|path| module_of(&path, &modules));
        imports.insert(name, found.filter(|other| other != name).collect());
    }
    assert!(imports["ledger"].contains("ledger::journal"), "imports are found");
    assert!(imports["select::simd::scalar"].contains("select::simd::driver"), "imports are found");
    assert!(imports["files::checkpoint"].contains("digest"), "imports are found");
    assert!(imports["select::random"].contains("select::magnitude"), "imports are found");
    // Modules whose imports are all gone go, until none is left.
    while !imports.is_empty() {
        let (free, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
            imports.into_iter().partition(|(_, others)| others.is_empty());
        assert!(!free.is_empty(), "these import each other in circles: {rest:#?}");
        imports = rest;
        for others in imports.values_mut() {
            others.retain(|other| !free.contains_key(other.as_str()));
        }
    }
}
