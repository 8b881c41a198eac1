//! A parser of both text formats, strict and independent of the encoder.

use std::collections::{BTreeMap, HashSet};

pub type Labels = BTreeMap<String, String>;

/// A metric family as a scraper sees it.
#[derive(Debug, Default)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub unit: Option<String>,
    pub help: Option<String>,
    pub samples: Vec<Sample>,
}

#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub labels: Labels,
    pub value: f64,
    pub exemplar: Option<(Labels, f64, f64)>,
}

/// Reads a whole exposition, and panics at whatever a scraper would refuse.
pub fn parse(text: &str, is_open: bool) -> Vec<Family> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
    let body = match is_open {
        true => text.strip_suffix("# EOF\n").expect("OpenMetrics ends with # EOF"),
        false => text,
    };
    let (mut families, mut series): (Vec<Family>, HashSet<String>) = Default::default();
    for line in body.lines() {
        assert!(!line.is_empty(), "an empty line");
        if let Some(metadata) = line.strip_prefix("# ") {
            put_metadata(&mut families, metadata, is_open);
        } else {
            let family = families.last_mut().expect("metadata precede samples");
            let sample = sample(line);
            assert!(allowed(family, is_open).contains(&sample.name), "{line} in {}", family.name);
            let own = format!("{} {:?}", sample.name, sample.labels);
            assert!(series.insert(own), "twice: {line}");
            family.samples.push(sample);
        }
    }
    families.iter().for_each(|family| check(family, is_open));
    families
}

fn put_metadata(families: &mut Vec<Family>, line: &str, is_open: bool) {
    let mut parts = line.splitn(3, ' ');
    let [keyword, name, rest] =
        [(); 3].map(|()| parts.next().expect("a keyword, a name and a text"));
    assert!(is_name(name), "{name}");
    if families.last().is_none_or(|family| family.name != name) {
        assert!(families.iter().all(|family| family.name != name), "{name} is in two places");
        families.push(Family { name: name.to_owned(), ..Family::default() });
    }
    let family = families.last_mut().unwrap();
    assert!(family.samples.is_empty(), "metadata of {name} behind its samples");
    match keyword {
        "TYPE" => {
            assert!(family.kind.is_empty());
            rest.clone_into(&mut family.kind);
        }
        "HELP" => assert!(family.help.replace(unescaped(rest, is_open)).is_none()),
        "UNIT" if is_open => {
            assert!(name.ends_with(&format!("_{rest}")), "{name} without its unit {rest}");
            assert!(family.unit.replace(rest.to_owned()).is_none());
        }
        _ => panic!("keyword {keyword}"),
    }
}

/// The names that samples of a family have.
fn allowed(family: &Family, is_open: bool) -> Vec<String> {
    let suffixes: &[&str] = match (family.kind.as_str(), is_open) {
        ("counter", true) => &["_total", "_created"],
        ("counter", false) | ("gauge", _) => &[""],
        ("histogram", true) => &["_bucket", "_sum", "_count", "_created"],
        ("histogram", false) => &["_bucket", "_sum", "_count"],
        ("info", true) => &["_info"],
        (kind, _) => panic!("{kind} of {}", family.name),
    };
    suffixes.iter().map(|suffix| format!("{}{suffix}", family.name)).collect()
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{name}");
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        (labels, rest) = read_labels(inner);
    }
    let rest = rest.strip_prefix(' ').expect("a space in front of the value");
    let (value, exemplar) = match rest.split_once(" # {") {
        None => (rest, None),
        Some((value, exemplar)) => {
            let (labels, rest) = read_labels(exemplar);
            let characters: usize = labels
                .iter()
                .map(|(name, value)| name.chars().count() + value.chars().count())
                .sum();
            assert!(characters <= 128, "{characters} characters in an exemplar");
            let (observed, time) = rest.trim_start().split_once(' ').expect("the exemplar's time");
            (value, Some((labels, number(observed), number(time))))
        }
    };
    Sample { name: name.to_owned(), labels, value: number(value), exemplar }
}

/// Labels up to the closing brace, and the text behind it.
fn read_labels(mut text: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    while !text.starts_with('}') {
        let (name, rest) = text.split_once("=\"").expect("a label");
        assert!(is_name(name) && !name.contains(':') && !name.starts_with("__"), "{name}");
        let mut end = 0;
        while !rest[end..].starts_with('"') {
            let step = if rest[end..].starts_with('\\') { 2 } else { 1 };
            end += rest[end..].chars().take(step).map(char::len_utf8).sum::<usize>();
        }
        assert!(
            labels.insert(name.to_owned(), unescaped(&rest[..end], true)).is_none(),
            "{name} twice"
        );
        text = &rest[end + 1..];
        if let Some(next) = text.strip_prefix(',') {
            assert!(!next.starts_with('}'), "a comma behind the last label");
            text = next;
        }
    }
    (labels, &text[1..])
}

fn unescaped(text: &str, quotes: bool) -> String {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(character) = chars.next() {
        assert!(!quotes || character != '"', "a quotation mark without a backslash: {text}");
        out.push(match character {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('\\') => '\\',
                Some('"') if quotes => '"',
                other => panic!("escape {other:?} in {text}"),
            },
            other => other,
        });
    }
    out
}

fn number(text: &str) -> f64 {
    assert!(!text.contains("inf") && !text.contains("nan"), "{text}");
    text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The rules between the samples of a family.
fn check(family: &Family, is_open: bool) {
    assert!(!family.samples.is_empty(), "{} has no samples", family.name);
    match family.kind.as_str() {
        "counter" => assert!(family.samples.iter().all(|sample| sample.value >= 0.0)),
        "histogram" => check_buckets(family, is_open),
        _ => assert!(family.samples.iter().all(|sample| sample.exemplar.is_none())),
    }
}

/// Buckets ascend, their counts never fall, and the last one has the count of all.
fn check_buckets(family: &Family, is_open: bool) {
    let mut last: Option<(Labels, f64, f64)> = None;
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        let Some(le) = labels.remove("le") else {
            if let (Some((_, _, count)), true) = (&last, sample.name.ends_with("_count")) {
                assert_eq!(*count, sample.value, "the count of {}", family.name);
            }
            assert!(!sample.name.ends_with("_bucket"), "a bucket without le");
            continue;
        };
        assert!(!is_open || le == "+Inf" || le.contains(['.', 'e']), "le {le} is no float");
        let bound = number(&le);
        if let Some((of, lower, count)) = &last
            && *of == labels
        {
            assert!(bound > *lower && sample.value >= *count, "{sample:?}");
            if let Some((_, observed, _)) = sample.exemplar {
                assert!(observed > *lower && observed <= bound, "{sample:?}");
            }
        } else {
            assert!(last.as_ref().is_none_or(|(_, bound, _)| bound.is_infinite()), "no +Inf");
        }
        last = Some((labels, bound, sample.value));
    }
    assert!(last.is_none_or(|(_, bound, _)| bound == f64::INFINITY), "no +Inf");
}
