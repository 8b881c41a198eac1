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
    check(b"a: {b: ${NAME}}\n", "or with ${NAME} needs quotes");
    check(b"a: [x, {b: ${NAME}}, y]\n", "or with ${NAME} needs quotes");
    check(b"a:\n\t- 1\n", "not YAML: ");
    check(b"a: 1\n---\nb: 2\n", "a second document");
    check(b"a: !!binary 1\n", "core schema");
    check(b"a: !mine 1\n", "the tag does not fit; accepted are the tags of YAML's core schema");
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

#[test]
fn references_that_multiply_are_bounded_before_they_are_replaced() {
    // 350,000 references to 1 MiB: 350 GB.
    let text = format!("a: {}\n", "${B}".repeat((MAX_BYTES - 8) / 4));
    let started = std::time::Instant::now();
    assert!(
        error(&text).starts_with("h.yaml:1:4: more than 4194304 bytes of text after substitution")
    );
    // Many scalars share the bound.
    let text = "- ${B}\n".repeat(100);
    assert!(
        error(&text).starts_with("h.yaml:4:3: more than 4194304 bytes of text"),
        "{}",
        error(&text)
    );
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}

/// A user means a value, where YAML reads a tag, an anchor, a key or a reference.
#[test]
fn no_message_of_the_reader_shows_a_text_in_the_place_of_a_value() {
    for text in [
        "value: !Sup3rSecret",
        "value: !Sup3rSecret abc",
        "value: !!Sup3rSecret abc",
        "value: !<tag:yaml.org,2002:Sup3rSecret> abc",
        "value: !Sup3rSecret!abc x",
        "value: !Sup3rSecret [a]",
        "value: *Sup3rSecret",
        "value: &Sup3rSecret *Sup3rSecret",
        "value: {name: a, value: abc,Sup3rSecret}",
        "value: {name: a, value: abc,Sup3rSecret: x}",
        "value: {name: a, value: abc,x,Sup3rSecret}",
        "value: {name: a, value: abc,x,Sup3rSecret: x}",
        "value: {name: a, value: abc, Sup3rSecret}",
        "value: {name: a, value: abc , Sup3rSecret, Sup3rSecret}",
        "value: {name: a, value: abc,\n Sup3rSecret}",
        "value: {name: a, value: ä,Sup3rSecret: x}",
        "value: {name: a, value: abc,Sup3rSecret,Sup3rSecret}",
        "value: ${TOKEN-Sup3rSecret}",
        "value: \"${TOKEN:?Sup3rSecret}\"",
        "value: ${Sup3rSecret!}",
        "value: abc: Sup3rSecret",
        "value: @Sup3rSecret",
        "value: `Sup3rSecret",
        "value: %Sup3rSecret",
        "value: 'Sup3rSecret",
        "value: \"\\Sup3rSecret\"",
        "value: {a: Sup3rSecret",
        "value: |Sup3rSecret",
        "value: !!int Sup3rSecret",
    ] {
        let document = Document::parse("h.yaml", text.as_bytes(), |_| None);
        let read = document.and_then(|document| {
            document.read(|root| {
                let value = root.mapping(&["value"]).get("value").mapping(&["name", "value"]);
                value.get("value").secret().string().map(drop)
            })
        });
        let error = read.unwrap_err();
        assert!(error.to_string().starts_with("h.yaml:"), "{text}: {error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("Sup3r"), "{text}: {shown}");
    }
}

#[test]
fn a_key_between_braces_is_shown_where_it_cannot_be_a_value() {
    let error = |text: &str| {
        let document = Document::parse("h.yaml", text.as_bytes(), |_| None).unwrap();
        document.read(|root| drop(root.mapping(&["name", "type"]))).unwrap_err().to_string()
    };
    assert_eq!(error("{nme: a}"), "h.yaml:1:2: nme: unknown key; did you mean `name`?");
    assert_eq!(error("{color: a}"), "h.yaml:1:2: color: unknown key; accepted is `name` or `type`");
    assert_eq!(error("{name: a, tpye: b}"), "h.yaml:1:11: tpye: unknown key; did you mean `type`?");
    assert!(error("{name: 'a', color: b}").contains("1:13: color: unknown key"));
    assert!(error("{name: a, color: b}").contains("1:11: color: unknown key"));
    assert!(error("{name: a,\n color: b}").contains("2:2: color: unknown key"));
    for text in ["{name: a,color: b}", "{name: a,color}", "{name: a,type,color: b}"] {
        let error = error(text);
        let expected = "\"…\": unknown key; accepted is `name` or `type`; a value with a comma needs quotes between braces";
        assert!(error.ends_with(expected) && !error.contains("color"), "{text}: {error}");
    }
    assert!(!error("{name: a, color}").contains("color"));
}

/// Links are followed, as those of a ConfigMap.
#[cfg(unix)]
#[test]
fn a_special_file_is_refused_without_a_wait() {
    use std::os::unix::fs::symlink;
    let folder = std::env::temp_dir().join(format!("spanwise-special-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let pipe = folder.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    symlink(&pipe, folder.join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    std::fs::create_dir_all(folder.join("..data")).unwrap();
    std::fs::write(folder.join("..data/otel.yaml"), "a: 1\n").unwrap();
    symlink("..data/otel.yaml", folder.join("otel.yaml")).unwrap();
    let open = |path: &str| {
        let path = folder.join(path);
        let (sender, opened) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(Document::open(path, |_| None).map(drop)));
        opened.recv_timeout(std::time::Duration::from_secs(20)).expect("the read does not wait")
    };
    let special = "it is a pipe, a socket or a device; accepted is a regular file";
    for (path, expected) in [
        ("pipe", special),
        ("link", special),
        ("socket", special),
        ("/dev/zero", special),
        ("/dev/null", special),
        (".", "it is a folder; accepted is a regular file"),
        // A regular file as its type shows; its read waits for the kernel's next message, where it is permitted.
        ("/proc/kmsg", "the file cannot be read: "),
    ] {
        let error = open(path).unwrap_err().to_string();
        assert!(error.contains(expected), "{path}: {error}");
    }
    assert!(open("otel.yaml").is_ok());
    std::fs::remove_dir_all(folder).unwrap();
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
