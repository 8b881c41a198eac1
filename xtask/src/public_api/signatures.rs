//! The foreign types and traits in the signatures of one crate, from rustdoc's JSON.

use serde_json::{Map, Value};

/// A foreign type or trait in a signature.
#[derive(Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its path where it is defined.
    pub path: String,
    /// Name of the item whose signature it is in.
    pub item: String,
    /// File and line of the item.
    pub place: String,
}

/// The version of the format that this was written for; others may do.
const FORMAT: u64 = 57;

/// Crates that need no entry, and the prefix of our own.
const FREE: [&str; 4] = ["std", "core", "alloc", "proc_macro"];
const OWN: &str = "spanwise";

/// Reads the JSON of one crate.
///
/// # Errors
/// When it does not have the expected form.
pub fn foreign(text: &str) -> Result<Vec<Foreign>, String> {
    let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let version = json["format_version"].as_u64().unwrap_or(0);
    let part = |name: &str| {
        json[name].as_object().ok_or_else(|| {
            format!(
                "rustdoc's JSON has no `{name}`: its format is {version}, and \
                 xtask/src/public_api/signatures.rs reads {FORMAT}"
            )
        })
    };
    let names = Names { paths: part("paths")?, crates: part("external_crates")? };
    let mut found = Vec::new();
    for item in part("index")?.values().filter(|item| is_public(item)) {
        let mut used = Vec::new();
        names.collect(&item["inner"], &mut used);
        for path in used {
            found.push(Foreign { path, item: name(item), place: place(item) });
        }
    }
    if version < FORMAT && found.is_empty() && names.crates.is_empty() {
        return Err(format!("rustdoc's JSON of format {version} names no crate"));
    }
    Ok(found)
}

/// An item of this crate that its users see. Others are not in the JSON, but for implementations
/// that hold for every type.
fn is_public(item: &Value) -> bool {
    let own = item["crate_id"] == 0;
    let visible = item["visibility"] == "public" || item["visibility"] == "default";
    let implementation = &item["inner"]["impl"];
    let general =
        implementation["is_synthetic"] == true || !implementation["blanket_impl"].is_null();
    own && visible && !general
}

fn name(item: &Value) -> String {
    match (item["name"].as_str(), item["inner"]["use"]["name"].as_str()) {
        (Some(name), _) => name.to_owned(),
        (None, Some(name)) => format!("re-export {name}"),
        (None, None) => "an implementation".to_owned(),
    }
}

fn place(item: &Value) -> String {
    let file = item["span"]["filename"].as_str().unwrap_or("no file");
    format!("{file}:{}", item["span"]["begin"][0].as_u64().unwrap_or(0))
}

struct Names<'a> {
    paths: &'a Map<String, Value>,
    crates: &'a Map<String, Value>,
}

impl Names<'_> {
    /// Path of every foreign type, trait and re-export in `value`.
    fn collect(&self, value: &Value, used: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                let named = object.contains_key("path") || object.contains_key("source");
                if let (true, Some(id)) = (named, object.get("id").and_then(Value::as_u64)) {
                    used.extend(self.foreign(id));
                }
                object.values().for_each(|value| self.collect(value, used));
            }
            Value::Array(values) => values.iter().for_each(|value| self.collect(value, used)),
            _ => {}
        }
    }

    fn foreign(&self, id: u64) -> Option<String> {
        let target = self.paths.get(&id.to_string())?;
        let package = self.crates.get(&target["crate_id"].as_u64()?.to_string())?;
        let package = package["name"].as_str()?;
        if FREE.contains(&package) || package.starts_with(OWN) {
            return None;
        }
        let parts = target["path"].as_array()?.iter().filter_map(Value::as_str);
        Some(parts.collect::<Vec<_>>().join("::"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate with one item, whose signature names the type 7.
    fn check(item: &str, expected: &[&str]) {
        let text = format!(
            r#"{{"format_version": 57, "index": {{"1": {item}}},
            "paths": {{"7": {{"crate_id": 2, "path": ["bytes", "Bytes"]}},
                       "8": {{"crate_id": 3, "path": ["core", "Option"]}},
                       "9": {{"crate_id": 0, "path": ["x", "Own"]}}}},
            "external_crates": {{"2": {{"name": "bytes"}}, "3": {{"name": "core"}}}}}}"#
        );
        let found: Vec<String> = foreign(&text)
            .unwrap()
            .into_iter()
            .map(|found| format!("{} {} {}", found.path, found.item, found.place))
            .collect();
        assert_eq!(found, expected, "{item}");
    }

    #[test]
    fn foreign_types_are_found_at_any_depth() {
        let signature = r#"{"function": {"sig": {"output": {"resolved_path": {"path": "Option", "id": 8,
            "args": {"args": [{"resolved_path": {"path": "Bytes", "id": 7, "args": null}}]}}}}}}"#;
        let item = format!(
            r#"{{"crate_id": 0, "name": "f", "visibility": "public", "inner": {signature},
            "span": {{"filename": "a.rs", "begin": [3, 1]}}}}"#
        );
        check(&item, &["bytes::Bytes f a.rs:3"]);
        check(&item.replace("public", "crate"), &[]);
        check(&item.replace("\"crate_id\": 0", "\"crate_id\": 2"), &[]);
    }

    #[test]
    fn re_exports_count_and_general_implementations_do_not() {
        let item = |inner: &str| {
            format!(r#"{{"crate_id": 0, "name": null, "visibility": "default", "inner": {inner}}}"#)
        };
        let found = ["bytes::Bytes re-export B no file:0"];
        check(&item(r#"{"use": {"source": "bytes::Bytes", "name": "B", "id": 7}}"#), &found);
        let found = ["bytes::Bytes an implementation no file:0"];
        check(
            &item(r#"{"impl": {"trait": {"path": "B", "id": 7}, "blanket_impl": null}}"#),
            &found,
        );
        check(&item(r#"{"impl": {"trait": {"path": "B", "id": 7}, "blanket_impl": {}}}"#), &[]);
        check(&item(r#"{"impl": {"trait": {"path": "B", "id": 7}, "is_synthetic": true}}"#), &[]);
    }

    #[test]
    fn another_form_is_an_error_with_the_versions() {
        let reason = foreign(r#"{"format_version": 99}"#).unwrap_err();
        assert!(reason.contains("format is 99") && reason.contains("reads 57"), "{reason}");
    }
}
