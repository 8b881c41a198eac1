//! Hostile and broken files: each is an error, soon and within bounds.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use spanwise_config::{Document, MAX_BYTES, MAX_DEPTH};

fn error(text: impl AsRef<[u8]>) -> String {
    let big = |_: &str| Some("v".repeat(1 << 20));
    Document::parse("h.yaml", text.as_ref(), big).unwrap_err().to_string()
}

#[test]
fn each_kind_has_its_message() {
    let check = |text: &[u8], expected: &str| {
        let error = error(text);
        assert!(error.contains(expected), "{error}");
    };
    check(b"", "1:1: the file is empty");
    check(b"# nothing\n", "the file is empty");
    check(b"a: 1\na: 2\n", "2:1: the key `a` occurs a second time; the first one is in line 1");
    check(b"a: &x [*x]\n", "alias inside of its own anchor");
    check(b"a: *x\n", "not YAML: ");
    check(b"a:\n\t- 1\n", "not YAML: ");
    check(b"a: 1\n---\nb: 2\n", "a second document");
    check(b"a: !!binary 1\n", "core schema");
    check(b"a: !mine 1\n", "the tag `!mine` does not fit");
    check(b"a: !!int x\n", "not of the type of its tag !!int");
    check(b"[1]: 2\n", "a key is a scalar");
    check(b"\xff\xfea\0", "is not UTF-8 but UTF-16");
    check(b"a\0:\0", "is not UTF-8 but UTF-16");
    check(b"a: 1\nb: \xe4\xff\n", "2:4: the file is not UTF-8");
    check(b"a: ${BIG}${BIG}${BIG}${BIG}${BIG}\n", "bytes of text after substitution");
}

#[test]
fn a_byte_order_mark_is_no_content() {
    let document = Document::parse("b.yaml", b"\xef\xbb\xbfa: 1\n", |_| None).unwrap();
    assert_eq!(
        document.read(|root| root.mapping(&["a"]).get("a").integer(1..=1)).unwrap().value,
        Some(1)
    );
}

#[test]
fn depth_has_a_bound_in_both_notations() {
    let flow = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let block = |depth: usize| {
        (0..depth).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>()
    };
    assert!(Document::parse("d.yaml", flow(MAX_DEPTH).as_bytes(), |_| None).is_ok());
    for text in [
        flow(MAX_DEPTH + 2),
        flow(200_000),
        block(MAX_DEPTH + 2),
        block(1000),
        "- ".repeat(100_000),
    ] {
        assert!(error(&text).ends_with("nested deeper than 64 levels"), "{}", error(&text));
    }
}

#[test]
fn aliases_that_multiply_are_counted() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert!(error(&text).contains("each alias counted"));
}

#[test]
fn large_files_are_not_read_to_their_end() {
    assert!(error(vec![b'#'; MAX_BYTES + 1]).contains("more than 1048576 bytes"));
    for place in ["/dev/zero", "."] {
        let error = Document::open(place, |_| None).unwrap_err().to_string();
        assert!(error.contains("1:1: the file cannot be read: "), "{error}");
    }
    let missing = Document::open("no/such.yaml", |_| None).unwrap_err().to_string();
    assert!(missing.starts_with("no/such.yaml:1:1: the file cannot be read: "), "{missing}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The result of any text is a document or an error.
    #[test]
    fn no_text_panics(text in "[a-c0-9:\\-\\[\\]{}&*!|>'\"#$ \n\t,?%~.<]{0,200}") {
        if let Ok(document) = Document::parse("p.yaml", text.as_bytes(), |_| Some("v: [".to_owned())) {
            let _read = document.read(|root| root.mapping(&["a", "b"]).get("a").string().map(str::to_owned));
        }
    }
}
