//! Rules of redaction from files: one that a variable names, and a section of the configuration file. The oracle is the text that a span
//! carries, searched for in the bytes that a sink gets.

use spanwise_sdk::{Bytes, Outcome, SpanKind, Spanwise, SpanwiseBuilder};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

const KEY: &str = "hash-canary-hash-canary";
const RULES: &str = "\
redaction:
  hash_key: ${HASH_KEY}
  rules:
    - { name: numbers, action: mask, values: ['canary-[0-9]+'] }
    - { action: hash, keys: [user.id] }
";

/// A file that is removed at the end of its test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let file = format!("spanwise-redaction-{name}-{}.yaml", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A builder with these variables and the hash key.
fn builder(variables: &[(&str, &str)]) -> SpanwiseBuilder {
    let of = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut variables: Vec<_> = variables.iter().map(of).collect();
    variables.push(("HASH_KEY".to_owned(), KEY.to_owned()));
    Spanwise::builder().with_diagnostics(|_| {}).with_environment(move |name| {
        variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    })
}

/// The bytes that a span with a canary leaves as.
fn exported(builder: SpanwiseBuilder) -> String {
    let requests: Arc<Mutex<Vec<u8>>> = Arc::default();
    let sent = Arc::clone(&requests);
    let sink = move |request: Bytes| {
        sent.lock().unwrap().extend_from_slice(&request);
        async { Outcome::Accepted { rejected: 0, message: None } }
    };
    let spanwise = builder.with_sink(sink).build().unwrap();
    let mut span = spanwise.tracer("shop").root("load canary-4711", SpanKind::Server);
    span.attribute("user.id", "ann");
    span.finish();
    spanwise.shutdown().unwrap();
    let bytes = requests.lock().unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn error(builder: SpanwiseBuilder) -> String {
    builder.build().map(drop).unwrap_err().to_string()
}

/// A declarative file with a section.
fn declarative(section: &str) -> String {
    let section = section.replace('\n', "\n    ");
    format!(
        "file_format: \"1.1\"\ndistribution:\n  spanwise:\n    {section}\ntracer_provider:\n  processors:\n    - simple: {{exporter: {{otlp_http: }}}}\n"
    )
}

#[test]
fn a_variable_names_a_file_of_rules() {
    let file = File::new("variable", RULES);
    let path = file.path();
    let with_file = || builder(&[("SPANWISE_REDACTION_FILE", &path)]);
    let plain = exported(builder(&[]));
    assert!(plain.contains("canary-4711") && plain.contains("ann"), "{plain}");
    let redacted = exported(with_file());
    assert!(redacted.contains("load ****") && !redacted.contains("ann"), "{redacted}");
    let explained = with_file().explain().unwrap();
    let row = explained.get("SPANWISE_REDACTION_FILE").unwrap();
    assert_eq!(
        (&*row.value, &*row.origin.to_string()),
        ("2 rules", "variable: SPANWISE_REDACTION_FILE")
    );
    assert!(!explained.to_string().contains("canary") && !explained.to_json().contains("canary"));
}

#[test]
fn a_section_of_the_declarative_file_precedes_the_variable() {
    let file = File::new("declarative", &declarative(RULES));
    let other = File::new("other", "presets: [email]");
    let configured =
        || builder(&[("SPANWISE_REDACTION_FILE", &other.path())]).with_config_file(file.path());
    let redacted = exported(configured());
    assert!(redacted.contains("load ****") && !redacted.contains("ann"), "{redacted}");
    let explained = configured().explain().unwrap();
    let row = explained.get("SPANWISE_REDACTION_FILE").unwrap();
    let origin = row.origin.to_string().replace(&file.path(), "otel.yaml");
    assert_eq!(
        (&*row.value, &*origin),
        ("2 rules", "otel.yaml:4: distribution.spanwise.redaction")
    );
    let reports = explained.to_string();
    assert!(
        reports.contains(
            "SPANWISE_REDACTION_FILE has no effect: code or the configuration file has the rules"
        ),
        "{reports}"
    );
}

#[test]
fn a_production_file_has_the_section_too() {
    let file = File::new("production", &format!("batch: {{size: 100}}\n{RULES}"));
    let configured = || builder(&[]).with_config_file(file.path());
    let redacted = exported(configured());
    assert!(redacted.contains("load ****") && !redacted.contains("ann"), "{redacted}");
    let explained = configured().explain().unwrap();
    let row = explained.get("SPANWISE_REDACTION_FILE").unwrap();
    assert!(row.origin.to_string().ends_with(":2: redaction"), "{}", row.origin);
}

#[test]
fn code_precedes_files() {
    let file = File::new("code", &declarative(RULES));
    let rules = spanwise_redact::Redactor::builder();
    let in_code = rules.with_rule(spanwise_redact::Rule::mask_values("load")).build().unwrap();
    let redacted = exported(builder(&[]).with_config_file(file.path()).with_redaction(in_code));
    assert!(redacted.contains("**** canary-4711"), "{redacted}");
}

#[test]
fn a_mistake_is_an_error_with_its_place_and_nothing_starts() {
    let wrong = RULES.replace("+'", "+('").replace("keys: [user.id]", "kyes: [user.id]");
    let file = File::new("wrong", &wrong);
    let of_variable = error(builder(&[("SPANWISE_REDACTION_FILE", &file.path())]));
    let expected = format!(
        "{0}:4:47: redaction.rules[0].values[0]: the pattern \"canary-[0-9]+(\" does not compile: unclosed group\n\
         {0}:5:23: redaction.rules[1].kyes: unknown key; did you mean `keys`?",
        file.path()
    );
    assert_eq!(of_variable, expected);
    let file = File::new("wrong-section", &declarative(&wrong));
    let of_file = error(builder(&[]).with_config_file(file.path()));
    let place = ":7:51: distribution.spanwise.redaction.rules[0].values[0]: the pattern";
    assert!(of_file.contains(place) && of_file.contains("rules[1].kyes"), "{of_file}");
    for (text, expected) in [
        ("redaction: {rules: [{action: hash, keys: [a]}]}", "rules[0]: it hashes without a key"),
        ("redaction: {hash_key: '${HASH_KEY}', rules: }", "it has neither rules nor presets"),
        ("redaction: {hash_key: '${SHORT}', presets: all}", "hash_key: the key has 6 bytes"),
        ("filter: {}", "the file has no section `redaction`"),
        ("attributes: {actions: [{key: a, action: hash}]}", "it hashes without a key"),
    ] {
        let file = File::new("mistakes", text);
        let variables = [("SPANWISE_REDACTION_FILE", &*file.path()), ("SHORT", "canary")];
        let error = error(builder(&variables));
        assert!(error.contains(expected) && !error.contains("canary"), "{text}: {error}");
    }
    let missing = error(builder(&[("SPANWISE_REDACTION_FILE", "/no/such/file.yaml")]));
    let expected = "SPANWISE_REDACTION_FILE=`/no/such/file.yaml`: the file cannot be read";
    assert!(missing.contains(expected), "{missing}");
    let secret = error(builder(&[("SPANWISE_REDACTION_FILE", "https://u:canary@host/")]));
    assert!(!secret.contains("canary"), "{secret}");
}

#[test]
fn a_reload_compares_the_rules_of_a_file() {
    let file = File::new("reload", RULES);
    let path = file.path();
    let configured = || builder(&[("SPANWISE_REDACTION_FILE", &path)]);
    let spanwise = configured().with_endpoint("http://127.0.0.1:9/v1/traces").build().unwrap();
    let is_restart = || {
        let next = configured().with_endpoint("http://127.0.0.1:9/v1/traces");
        let reloaded = spanwise.reload(next).unwrap();
        reloaded.needs_restart.iter().any(|change| change.setting == "with_redaction")
    };
    assert!(!is_restart());
    std::fs::write(&file.0, RULES.replace("canary-", "other-")).unwrap();
    assert!(is_restart());
}
