//! Values that the presets change, and values that they leave alone.

use crate::support;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use spanwise_redact::{Preset, Redactor};
use std::sync::LazyLock;
use support::{attributes, text};

static ALL: LazyLock<Redactor> =
    LazyLock::new(|| Redactor::builder().with_all_presets().build().unwrap());

/// The value of an attribute after all presets.
fn of(key: &str, value: &str) -> String {
    match attributes(&ALL, &[(key, text(value))]).pop() {
        Some((_, Value::StringValue(value))) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn urls_lose_credentials_and_the_values_of_their_queries() {
    for (before, after) in [
        ("https://ann:pw@example.com/a", "https://****@example.com/a"),
        ("postgres://ann@db/x", "postgres://****@db/x"),
        ("postgres://ann:p@ss@db/x", "postgres://****@db/x"),
        ("see https://e.com/a?b=1&c=2#d now", "see https://e.com/a?b=****&c=****#d now"),
        ("https://e.com/a?flag&x=", "https://e.com/a?flag&x="),
        ("https://e.com/a?b=2;c=3", "https://e.com/a?b=****;c=****"),
        ("https://e.com/@ann/x", "https://e.com/@ann/x"),
    ] {
        assert_eq!(of("note", before), after);
        assert_eq!(of("url.full", before), after);
    }
    assert_eq!(of("url.query", "a=1&b=two"), "a=****&b=****");
    assert_eq!(of("url.query", "next=/cart&sid=abc"), "next=****&sid=****");
    assert_eq!(of("url.query", "sid=abc&next=/x?y=1"), "sid=****&next=****");
    assert_eq!(of("http.target", "/x?a=1"), "/x?a=****");
    assert_eq!(of("http.target", "/x/y=z"), "/x/y=z");
}

#[test]
fn secrets_are_found_by_key_and_by_form() {
    for key in [
        "http.request.header.authorization",
        "http.request.header.cookie",
        "http.response.header.set-cookie",
        "db.password",
        "app.client_secret",
        "x-api-key",
        "user.access_token",
        "session.token",
        "Authorization",
        "X-Api-Key",
        "http.request.header.x-vault-token",
        "process.environment_variable.DB_PASSWORD",
        "process.environment_variable.AWS_SECRET_ACCESS_KEY",
        "app.apiKey",
        "accessToken",
    ] {
        assert_eq!(of(key, "anything"), "****", "{key}");
    }
    for key in ["gen_ai.usage.input_tokens", "thread.name", "secretary.of", "monkey"] {
        assert_eq!(of(key, "anything"), "anything", "{key}");
    }
    // Forms as the services publish them, none of them in use.
    for secret in [
        "Bearer abcdef123456",
        "basic YW5uOnB3ZGVm",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzzqgy",
        "xapp-1-A0123456789-1234567890123-abcdef",
        "_AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJkaXIiLCJlbmMi..QR1Owv2ug2WyPBnb.QrRARTeE.kDO2w8qD",
        "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
        "AIzaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe",
        "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
    ] {
        let out = of("note", &format!("it was {secret}, they wrote"));
        assert!(out.starts_with("it was ****") && out.ends_with(" they wrote"), "{secret}: {out}");
    }
    for (before, after) in [
        ("password=hunter2 ok", "password=**** ok"),
        (r#"{"api_key": "abc", "n": 1}"#, r#"{"api_key": "****", "n": 1}"#),
        ("Token: abcdef", "Token: ****"),
        (r#"{"password": "a, b;c", "n": 1}"#, r#"{"password": "****", "n": 1}"#),
        (r#"{"password": "a\"b"}"#, r#"{"password": "****"}"#),
        (r#"sent {\"password\":\"a b\",\"n\":1}"#, r#"sent {\"password\":\"****\",\"n\":1}"#),
        (r#":password => "x""#, r#":password => "****""#),
        ("mysql --password hunter2 -h db", "mysql --password **** -h db"),
        ("AccountKey=abc/+==;x=1", "AccountKey=****;x=1"),
        ("Authorization: ApiKey abcdef\nHost: x", "Authorization: ****\nHost: x"),
        ("Set-Cookie: sid=abc; path=/", "Set-Cookie: ****"),
        ("the token is \"\", the secret: ok", "the token is \"\", the secret: ok"),
        ("no secret here", "no secret here"),
    ] {
        assert_eq!(of("note", before), after);
    }
}

#[test]
fn addresses_and_cards_are_found() {
    for (before, after) in [
        ("to ann.lee+x@mail.example.co.uk.", "to ****."),
        ("jürgen@exämple.de", "****"),
        ("a@b", "a@b"),
        ("card 4111 1111 1111 1111 ok", "card **** ok"),
        ("5500-0000-0000-0004", "****"),
        ("378282246310005", "****"),
        ("4111111111111112", "4111111111111112"),
        ("1700000000000000000", "1700000000000000000"),
        ("from 192.168.0.17:80", "from ****:80"),
        ("version 1.2.3", "version 1.2.3"),
        ("refused: db.example.com/10.1.2.3:5432", "refused: db.example.com/****:5432"),
        ("Chrome/120.0.0.0", "Chrome/120.0.0.0"),
        ("client 192.168.001.017", "client ****"),
        ("ip:2001:db8::1", "ip:****"),
        ("ip:::1", "ip:****"),
        ("2001:db8:0:0:0:0:0:1:443", "****:443"),
        ("300.1.1.1", "300.1.1.1"),
        ("[2001:db8::1]:443", "[****]:443"),
        ("::1", "****"),
        ("std::fmt::Debug", "std::fmt::Debug"),
        ("12:34:56", "12:34:56"),
        ("aa:bb", "aa:bb"),
    ] {
        assert_eq!(of("note", before), after, "{before}");
    }
    let card = attributes(&ALL, &[("card", Value::IntValue(4_111_111_111_111_111))]);
    assert_eq!(card[0].1, text("****"));
}

#[test]
fn queries_lose_their_literals() {
    for (before, after) in [
        (
            "SELECT a1 FROM t WHERE b = 'it''s' AND c > -1.5e-3",
            "SELECT a1 FROM t WHERE b = ? AND c > -?",
        ),
        (r"SELECT 'a\\', 0xff", "SELECT ?, ?"),
        ("SELECT $1, :2, @p3, t2.c4", "SELECT $1, :2, @p3, t2.c4"),
        ("SELECT $$a 'b$$, $x$y$x$ FROM u", "SELECT ?, ? FROM u"),
        ("SELECT 'unfinished", "SELECT ?"),
        // A quote in a comment or name begins no string.
        (
            "SELECT a -- don't\nWHERE b = 'x' /* it's 5 */ AND c = 'y'",
            "SELECT a -- don?\nWHERE b = ? /* it?*/ AND c = ?",
        ),
        ("SELECT a FROM `it's` WHERE b = 'x'", "SELECT a FROM `it's` WHERE b = ?"),
        // A backslash escapes in MySQL, and does not elsewhere. A limit may have cut the query.
        (r"SELECT a WHERE p = 'C:\' AND b = 'x'", "SELECT a WHERE p = ?"),
        (r"SELECT a WHERE p = 'C:\' AND b = 'secr", "SELECT a WHERE p = ?"),
        (r"SELECT a WHERE p = 'it\'s secr", "SELECT a WHERE p = ?"),
        (r"SELECT 'a\'x\'b', c", "SELECT ?, c"),
        // A comment of MySQL, and an operator of PostgreSQL; a name of SQL Server, and a list.
        ("SELECT a # don't\nWHERE b = 'x'", "SELECT a # don?"),
        ("SELECT a #>> '{b}' WHERE c = 'x'", "SELECT a #>> ? WHERE c = ?"),
        ("SELECT a FROM [it's] WHERE b = 'x'", "SELECT a FROM [it?"),
        (
            "SELECT ARRAY['a', 'b'], c[1] FROM [t] WHERE b = 'x'",
            "SELECT ARRAY[?, ?], c[?] FROM [t] WHERE b = ?",
        ),
        (
            "SELECT q'[it's]', nq'!x'y!', a FROM t WHERE b = 'x'",
            "SELECT q?, nq?, a FROM t WHERE b = ?",
        ),
        ("SELECT q'x', 'y'", "SELECT q?, ?"),
        (r#"{"find":"t","filter":{"a":5,"b":[7]}}"#, "{?:?,?:{?:?,?:[?]}}"),
        ("{a:5}", "{a:?}"),
        (
            "SELECT 1_000 FROM t WHERE a=:1 AND b IN (:2,:3)",
            "SELECT ? FROM t WHERE a=:1 AND b IN (:2,:3)",
        ),
        ("SELECT a FROM é WHERE x = 'é'", "SELECT a FROM é WHERE x = ?"),
        ("SELECT 1", "SELECT ?"),
        ("SELECT a FROM b", "SELECT a FROM b"),
    ] {
        assert_eq!(of("db.query.text", before), after);
        assert_eq!(of("db.statement", before), after);
    }
    assert_eq!(of("note", "SELECT 1"), "SELECT 1");
    assert_eq!(of("db.query.parameter.0", "ann"), "****");
}

/// Masked text has nothing that a second pass would change, and so redaction in several places is the same as in one.
#[test]
fn a_second_pass_changes_nothing() {
    for value in [
        "https://ann:pw@e.com/?a=b&c=d@e.fg",
        "password=Bearer abcdefgh12345 4111111111111111",
        "token: eyJhbGciOi.eyJzdWIiOiI.abc from 10.0.0.1",
    ] {
        let once = of("url.full", value);
        assert_eq!(of("url.full", &once), once);
        assert_eq!(Preset::ALL.len(), 6);
    }
}
