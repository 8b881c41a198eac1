//! The `ot` member, and the `tracestate` header around it.

use proptest::prelude::*;
use spanwise_sampling::Threshold;
use spanwise_sampling::trace_state::{OtMember, member, write_header};

fn written(text: &str, th: Option<&str>) -> String {
    let mut out = String::new();
    let threshold = th.map(|th| Threshold::parse(th).unwrap());
    OtMember::parse(text).unwrap_or_default().write(threshold, &mut out);
    out
}

#[test]
fn a_member_is_parsed_by_the_grammar() {
    let long = |extra: usize| format!("x:{}", "v".repeat(extra));
    for text in [
        "th:2",
        "th:ab",
        "th:abcdefabcdefab",
        "th:1000",
        "x:",
        "rv:abcdefabcdefab;th:8",
        "a1:B-._9",
    ] {
        assert!(OtMember::parse(text).is_ok(), "{text}");
    }
    assert!(OtMember::parse(&long(254)).is_ok());
    for text in [
        "",
        "th:1;",
        ";th:1",
        "th:1=p:2",
        ":",
        "th:;p=1",
        "th:$",
        "th:0x1p+3",
        "th:14.5",
        "th:-1",
        "th:000000000000000",
        "rv:abc",
        "rv:abcdefabcdefabc",
        "rv:ABCDEFABCDEFAB",
        "TH:1",
        "1a:b",
        "th",
        "th:1;th:2",
        // "the used keys MUST be unique" (TraceState Handling): unknown keys too.
        "x:1;x:2",
        "x:1;th:1;x:1",
        "rv:abcdefabcdefab;rv:abcdefabcdefab",
        "th:é",
        "é:1",
        "th: 1",
        "th:1,a:b",
    ] {
        assert!(OtMember::parse(text).is_err(), "{text}");
    }
    assert!(OtMember::parse(&long(255)).is_err());
}

#[test]
fn th_is_set_or_erased_and_other_sub_keys_stay() {
    assert_eq!(written("th:c", Some("8")), "th:8");
    assert_eq!(
        written("x:1;th:c;rv:ffffffffffffff;y:2", Some("8")),
        "rv:ffffffffffffff;th:8;x:1;y:2"
    );
    assert_eq!(written("x:1;th:c", None), "x:1");
    assert_eq!(written("th:c", None), "");
    assert_eq!(written("th:$broken;x:1", Some("8")), "th:8");
    assert_eq!(written("th:1000", Some("1")), "th:1");
}

#[test]
fn sub_keys_that_do_not_fit_are_left_out() {
    // The threshold and the randomness stay, and the value stays within 256 bytes.
    let text = format!("rv:ffffffffffffff;x:{};y:1", "v".repeat(230));
    let out = written(&text, Some("abcdefabcdefab"));
    assert_eq!(out, "rv:ffffffffffffff;th:abcdefabcdefab");
}

#[test]
fn a_header_is_edited_member_by_member() {
    let edit = |header: &str, value: Option<&str>| {
        let mut out = String::new();
        write_header(header, "ot", value, &mut out);
        out
    };
    assert_eq!(edit("a=1, ot=th:c ,b=2", Some("th:8")), "ot=th:8,a=1,b=2");
    assert_eq!(edit("a=1,ot=th:c,b=2", None), "a=1,b=2");
    assert_eq!(edit("", Some("th:8")), "ot=th:8");
    assert_eq!(edit("ot=th:c", None), "");
    let full: Vec<String> = (0..33).map(|i| format!("k{i}=v")).collect();
    let out = edit(&full.join(","), Some("th:8"));
    assert_eq!(out.split(',').count(), 32);
    assert!(out.starts_with("ot=th:8,k0=v") && out.ends_with("k30=v"), "{out}");
    assert_eq!(member("a=1 ,\tot=th:8;x:1", "ot"), Some("th:8;x:1"));
    assert_eq!(member("a=1,other=ot", "ot"), None);
}

proptest! {
    #[test]
    fn no_member_panics_or_grows_beyond_256_bytes(text in "\\PC{0,400}", th in 0u64..1 << 56) {
        let mut out = String::new();
        let member = OtMember::parse(&text);
        member.unwrap_or_default().write(Threshold::new(th), &mut out);
        prop_assert!(out.len() <= 256);
        prop_assert!(OtMember::parse(&out).is_ok(), "{}", out);
        let mut header = String::new();
        write_header(&text, "ot", Some(&out), &mut header);
        prop_assert_eq!(spanwise_sampling::trace_state::member(&header, "ot"), Some(&*out));
    }

    #[test]
    fn a_written_member_parses_to_its_parts(
        th in proptest::option::of(0u64..1 << 56),
        rv in proptest::option::of("[0-9a-f]{14}"),
        // A map, since a repeated key makes the member invalid.
        rest in proptest::collection::btree_map("[a-z][a-z0-9]{2,5}", "[A-Za-z0-9._-]{0,9}", 0..6),
    ) {
        let mut parts: Vec<String> = rest.iter().map(|(k, v)| format!("{k}:{v}")).collect();
        if let Some(rv) = &rv {
            parts.insert(parts.len() / 2, format!("rv:{rv}"));
        }
        let text = parts.join(";");
        prop_assume!(!text.is_empty());
        let threshold = th.and_then(Threshold::new);
        let mut out = String::new();
        OtMember::parse(&text).unwrap().write(threshold, &mut out);
        prop_assume!(!out.is_empty());
        let member = OtMember::parse(&out).unwrap();
        prop_assert_eq!(member.th, threshold);
        prop_assert_eq!(member.rv.map(|rv| rv.to_string()), rv);
        for (key, value) in &rest {
            let pair = format!("{key}:{value}");
            prop_assert!(out.split(';').any(|found| found == pair));
        }
    }
}
