//! `tracer_provider.sampler`.

#[cfg(feature = "jaeger")]
use super::super::settings::MONTH;
#[cfg(feature = "jaeger")]
use super::hidden;
use spanwise_config::Field;
use spanwise_sampling::{
    AlwaysRecord, ParentBased, ParentKind, ParentThreshold, RuleBased, Sampler, SpanPredicate,
};
#[cfg(feature = "jaeger")]
use spanwise_sampling::{JaegerSettings, RemoteSettings};
use spanwise_wire::SpanKind;

/// The sampler of a file.
#[derive(Debug)]
pub(super) enum Choice {
    Sampler(Sampler),
    /// A remote sampler for roots; children follow their parents.
    #[cfg(feature = "jaeger")]
    Remote(RemoteSettings),
}

/// The sampler, `None` for the default.
pub(super) fn read(field: &Field<'_>) -> Option<Choice> {
    if !field.has_value() {
        return None;
    }
    let (name, sampler) = field.kind(SAMPLERS)?;
    // Its worker fetches for the provider, so it is the provider's sampler or the root of that one.
    if name.starts_with("jaeger_remote") {
        return remote(&sampler);
    }
    if name == "parent_based"
        && let root = sampler.mapping(PARENT_KEYS).get("root")
        && root.has_value()
        && let Some((root_name, root)) = root.kind(SAMPLERS)
        && root_name.starts_with("jaeger_remote")
    {
        let others = sampler.mapping(PARENT_KEYS);
        for key in PARENT_KEYS.iter().filter(|key| **key != "root") {
            if others.get(key).has_value() {
                others
                    .get(key)
                    .warning("it has no effect: children of a remote sampler's roots follow them");
            }
        }
        return remote(&root);
    }
    named(name, &sampler).map(Choice::Sampler)
}

fn any(field: &Field<'_>) -> Option<Sampler> {
    let (name, sampler) = field.kind(SAMPLERS)?;
    named(name, &sampler)
}

fn named(name: &str, field: &Field<'_>) -> Option<Sampler> {
    match name {
        "always_on" => always(field, Sampler::always_on()),
        "always_off" => always(field, Sampler::always_off()),
        "trace_id_ratio_based" | "probability/development" | "probability" => ratio(field),
        "parent_based" => parent_based(field),
        "composite/development" | "composite" => composable(field),
        "always_record/development" | "always_record" => {
            let root = field.mapping(&["root"]).get("root").required();
            Some(AlwaysRecord::new(any(&root)?).into())
        }
        _ => {
            field.error(
                "accepted is tracer_provider.sampler itself, or the root of its parent_based",
            );
            None
        }
    }
}

fn always(field: &Field<'_>, sampler: Sampler) -> Option<Sampler> {
    field.mapping(&[]);
    Some(sampler)
}

fn ratio(field: &Field<'_>) -> Option<Sampler> {
    let ratio = field.mapping(&["ratio"]).get("ratio");
    let probability = ratio.number(0.0..=1.0).unwrap_or(1.0);
    match Sampler::probability(probability) {
        Ok(sampler) => Some(sampler),
        Err(error) => {
            ratio.error(error.to_string());
            None
        }
    }
}

fn parent_based(field: &Field<'_>) -> Option<Sampler> {
    let branches = field.mapping(PARENT_KEYS);
    let branch = |key: &str| branches.get(key).has_value().then(|| any(&branches.get(key)));
    let root = branch("root").unwrap_or(Some(Sampler::always_on()));
    let others = [
        branch("remote_parent_sampled"),
        branch("remote_parent_not_sampled"),
        branch("local_parent_sampled"),
        branch("local_parent_not_sampled"),
    ];
    let mut sampler = ParentBased::new(root?);
    let [remote_sampled, remote_not_sampled, local_sampled, local_not_sampled] = others;
    if let Some(branch) = remote_sampled {
        sampler = sampler.with_remote_sampled(branch?);
    }
    if let Some(branch) = remote_not_sampled {
        sampler = sampler.with_remote_not_sampled(branch?);
    }
    if let Some(branch) = local_sampled {
        sampler = sampler.with_local_sampled(branch?);
    }
    if let Some(branch) = local_not_sampled {
        sampler = sampler.with_local_not_sampled(branch?);
    }
    Some(sampler.into())
}

/// The samplers of `composite/development`.
fn composable(field: &Field<'_>) -> Option<Sampler> {
    let (name, sampler) = field.kind(COMPOSABLE)?;
    match name {
        "always_on" => always(&sampler, Sampler::always_on()),
        "always_off" => always(&sampler, Sampler::always_off()),
        "probability" => ratio(&sampler),
        "parent_threshold" => {
            let root = sampler.mapping(&["root"]).get("root").required();
            Some(ParentThreshold::new(composable(&root)?).into())
        }
        _ => rule_based(&sampler),
    }
}

fn rule_based(field: &Field<'_>) -> Option<Sampler> {
    let rules = field.mapping(&["rules"]).get("rules").required().sequence();
    let read: Vec<_> = rules.iter().map(rule).collect();
    let add = |rules: RuleBased, rule: Option<(SpanPredicate, Sampler)>| {
        let (predicate, sampler) = rule?;
        Some(rules.with_rule(predicate, sampler))
    };
    read.into_iter().try_fold(RuleBased::new(), add).map(Into::into)
}

fn rule(field: &Field<'_>) -> Option<(SpanPredicate, Sampler)> {
    let rule = field.mapping(RULE_KEYS);
    let sampler = composable(&rule.get("sampler").required());
    let mut predicate = SpanPredicate::any();
    let texts = |field: Field<'_>| -> Vec<String> {
        field.sequence().iter().filter_map(|text| text.string().map(str::to_owned)).collect()
    };
    if rule.get("attribute_values").has_value() {
        let values = rule.get("attribute_values").mapping(&["key", "values"]);
        let key = values.get("key").required();
        predicate =
            predicate.attribute_values(key.string()?, texts(values.get("values").required()));
    }
    if rule.get("attribute_patterns").has_value() {
        let patterns = rule.get("attribute_patterns").mapping(&["key", "included", "excluded"]);
        let key = patterns.get("key").required();
        let (included, excluded) = (patterns.get("included"), patterns.get("excluded"));
        let has_included = included.has_value();
        let (included, excluded) = (texts(included), texts(excluded));
        let included: Vec<&str> = included.iter().map(String::as_str).collect();
        let excluded: Vec<&str> = excluded.iter().map(String::as_str).collect();
        let included = has_included.then_some(&included[..]);
        predicate = predicate.attribute_patterns(key.string()?, included, &excluded);
    }
    if rule.get("span_kinds").has_value() {
        let kinds = rule.get("span_kinds").sequence();
        predicate = predicate.kinds(kinds.iter().filter_map(|kind| kind.choice(KINDS)));
    }
    if rule.get("parent").has_value() {
        let parents = rule.get("parent").sequence();
        predicate = predicate.parents(parents.iter().filter_map(|parent| parent.choice(PARENTS)));
    }
    Some((predicate, sampler?))
}

#[cfg(feature = "jaeger")]
fn remote(field: &Field<'_>) -> Option<Choice> {
    let fields = field.mapping(REMOTE_KEYS);
    let endpoint = fields.get("endpoint").required();
    let interval = fields.get("interval").integer(1..=MONTH as i64);
    let initial = initial_probability(&fields.get("initial_sampler").required());
    let defaults = JaegerSettings::default();
    let interval = interval.map_or(defaults.interval(), |millis| {
        std::time::Duration::from_millis(millis.unsigned_abs())
    });
    let settings = defaults.with_endpoint(endpoint.string()?);
    let settings = settings
        .and_then(|settings| settings.with_interval(interval))
        .and_then(|settings| settings.with_initial_probability(initial.unwrap_or(0.0)));
    match settings {
        Ok(settings) => Some(Choice::Remote(settings.into())),
        Err(error) => {
            hidden::error(&endpoint, &error.to_string(), "it is no URL with a scheme and a host");
            None
        }
    }
}

#[cfg(not(feature = "jaeger"))]
fn remote(field: &Field<'_>) -> Option<Choice> {
    field.mapping(REMOTE_KEYS);
    field.error("it needs the feature `jaeger` of spanwise or spanwise-sdk");
    None
}

/// The probability of the sampler before the first strategy is fetched.
#[cfg(feature = "jaeger")]
fn initial_probability(field: &Field<'_>) -> Option<f64> {
    let (name, sampler) = field.kind(SAMPLERS)?;
    match name {
        "always_on" => Some(1.0),
        "always_off" => Some(0.0),
        "trace_id_ratio_based" | "probability/development" | "probability" => {
            sampler.mapping(&["ratio"]).get("ratio").number(0.0..=1.0).or(Some(1.0))
        }
        // Children follow their parents anyway.
        "parent_based" => initial_probability(&sampler.mapping(PARENT_KEYS).get("root")),
        _ => {
            sampler.error("accepted is a sampler with one probability");
            None
        }
    }
}

const SAMPLERS: &[&str] = &[
    "always_on",
    "always_off",
    "trace_id_ratio_based",
    "parent_based",
    "probability/development",
    "probability",
    "composite/development",
    "composite",
    "jaeger_remote/development",
    "jaeger_remote",
    "always_record/development",
    "always_record",
];
const COMPOSABLE: &[&str] =
    &["always_on", "always_off", "probability", "parent_threshold", "rule_based"];
const PARENT_KEYS: &[&str] = &[
    "root",
    "remote_parent_sampled",
    "remote_parent_not_sampled",
    "local_parent_sampled",
    "local_parent_not_sampled",
];
const RULE_KEYS: &[&str] =
    &["attribute_values", "attribute_patterns", "span_kinds", "parent", "sampler"];
const REMOTE_KEYS: &[&str] = &["endpoint", "interval", "initial_sampler"];
const KINDS: &[(&str, SpanKind)] = &[
    ("internal", SpanKind::Internal),
    ("server", SpanKind::Server),
    ("client", SpanKind::Client),
    ("producer", SpanKind::Producer),
    ("consumer", SpanKind::Consumer),
];
const PARENTS: &[(&str, ParentKind)] =
    &[("none", ParentKind::None), ("remote", ParentKind::Remote), ("local", ParentKind::Local)];
