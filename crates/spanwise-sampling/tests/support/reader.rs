//! A parser of `tracestate` headers that shares no code with the crate, and generated headers.
#![allow(dead_code, reason = "each test binary uses its own part")]

use proptest::prelude::*;

/// Every value that the most lenient parser could take for a threshold: blanks are skipped, repeated
/// members and keys all count, and so do members that are malformed elsewhere.
pub fn thresholds(header: &str) -> Vec<String> {
    let mut found = Vec::new();
    for member in header.split(',') {
        let Some((key, value)) = member.split_once('=') else { continue };
        if key.trim() != "ot" {
            continue;
        }
        for pair in value.split(';') {
            let (key, value) = pair.split_once(':').unwrap_or((pair, ""));
            if key.trim_matches([' ', '\t', '=']) == "th" {
                found.push(value.trim().to_owned());
            }
        }
    }
    found
}

/// The threshold and the randomness of a header by the specification (*TraceState Handling*): it must
/// have one member `ot` of at most 256 characters, whose list of `key:value` follows the grammar and
/// repeats no key.
pub fn strict(header: &str) -> (Option<u64>, Option<u64>) {
    let list: Vec<&str> = header
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
        .filter_map(|member| member.strip_prefix("ot="))
        .collect();
    let blanks = header.split(',').filter_map(|member| member.split_once('='));
    let named = blanks.filter(|(key, _)| key.trim() == "ot").count();
    let [list] = *list else { return (None, None) };
    if named != 1 || list.chars().count() > 256 {
        return (None, None);
    }
    let mut keys = Vec::new();
    let (mut th, mut rv) = (None, None);
    for pair in list.split(';') {
        let Some((key, value)) = pair.split_once(':') else { return (None, None) };
        // key = lcalpha *(lcalpha / DIGIT); value = *(ALPHA / DIGIT / "." / "_" / "-")
        let starts = matches!(key.chars().next(), Some('a'..='z'));
        let key_is = starts && key.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9'));
        let value_is =
            value.chars().all(|c| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-'));
        // "the used keys MUST be unique"
        if !key_is || !value_is || keys.contains(&key) {
            return (None, None);
        }
        keys.push(key);
        let digits = value.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        let padded = || u64::from_str_radix(&format!("{value:0<14}"), 16).ok();
        match key {
            // "between 1 and 14 hexadecimal digits"
            "th" if digits && (1..=14).contains(&value.len()) => th = padded(),
            // "exactly 14 lower-case hexadecimal digits"
            "rv" if digits && value.len() == 14 => rv = padded(),
            "th" | "rv" => return (None, None),
            _ => {}
        }
    }
    (th, rv)
}

/// Headers with no, one or two members `ot`: well formed, malformed, with repeated keys, with blanks
/// around members, with more than 256 characters.
pub fn headers() -> impl Strategy<Value = String> {
    let pair = prop_oneof![
        4 => Just("th:8".to_owned()),
        2 => Just("th:c".to_owned()),
        1 => Just("th:0".to_owned()),
        1 => Just("th:8000".to_owned()),
        2 => Just("rv:ffffffffffffff".to_owned()),
        1 => Just("rv:00000000000000".to_owned()),
        2 => Just("x:1".to_owned()),
        1 => prop::sample::select(vec![
            "", "th", "th:", "th:$", "th:8 ", " th:8", "th :8", "TH:8", "th:C", "rv:1", "x:", "1:1",
            "th:000000000000000", "=th:8",
        ])
        .prop_map(str::to_owned),
        1 => (200usize..260).prop_map(|length| format!("y:{}", "v".repeat(length))),
    ];
    let ot = prop::collection::vec(pair, 0..4).prop_map(|pairs| format!("ot={}", pairs.join(";")));
    let member = prop_oneof![
        6 => ot.clone(),
        1 => ot.clone().prop_map(|ot| format!(" {ot}\t")),
        1 => ot.clone().prop_map(|ot| ot.replacen("ot", "ot ", 1)),
        2 => prop::sample::select(vec!["a=b", "c=th:8", "tenant@ot=th:8", "", "b", " d=1 "])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(member, 0..4).prop_map(|members| members.join(","))
}

/// Whether a stage that received `before` may send `after`. `own` is the threshold of the stage, if it
/// has one.
///
/// Specification, *Tracestate handling requirements*: a stage with an unknown sampling probability
/// must erase the threshold; one that is apparently inconsistent with the flag is erased; a stage
/// that samples by a threshold writes it. No parser may find another threshold.
pub fn may_leave(
    before: &str,
    after: &str,
    trace_id: u128,
    (parent_sampled, sampled): (bool, bool),
    (own, follows): (Option<u64>, bool),
) -> Result<(), String> {
    let found = thresholds(after);
    let (th, rv) = strict(before);
    let (left, left_rv) = strict(after);
    let randomness = rv.unwrap_or(trace_id as u64 & ((1 << 56) - 1));
    let allowed = if sampled && own.is_some() {
        own
    } else if sampled == parent_sampled && (follows || own == th) {
        th.filter(|&th| (randomness >= th) == parent_sampled)
    } else {
        None
    };
    if found.len() > 1 || left.is_some() != (found.len() == 1) || left != allowed {
        return Err(format!("{found:?} of {after:?}, allowed {allowed:x?}"));
    }
    // "Explicit randomness values SHOULD NOT be erased … or modified."
    if rv != left_rv {
        return Err(format!("rv {left_rv:x?} of {after:?}, {rv:x?} before"));
    }
    let members = |header: &str| header.split(',').filter(|it| it.trim().starts_with("ot")).count();
    if members(after) > 1 {
        return Err(format!("two members ot in {after:?}"));
    }
    Ok(())
}
