//! The policies of a `tail_sampling` block.

use spanwise_config::{Field, Mapping};
use spanwise_wire::StatusCode;

use super::fields::{integer, strings, text};
use crate::ottl::{ErrorMode, OttlConditionPolicy, check_condition};
use crate::policy::{
    BooleanAttributePolicy, BytesLimitingPolicy, CompositePolicy, LatencyPolicy,
    NumericAttributePolicy, Parent, Policy, PolicyKind, PolicyOptions, ProbabilisticPolicy,
    RateLimitingPolicy, SpanCountPolicy, StringAttributePolicy, TraceStatePolicy, build,
};

/// The policies of a sampler; those with an error have been reported.
pub(crate) fn read_policies(field: &Field<'_>, options: PolicyOptions<'_>) -> Vec<Policy> {
    let mut policies: Vec<Policy> = Vec::new();
    let elements = field.clone().required().sequence();
    if elements.is_empty() && field.has_value() {
        field.error("at least one policy is required");
    }
    for element in elements {
        let mapping = element.mapping(TOP);
        let name = mapping.get("name");
        let is_known = |known: &Policy| name.string() == Some(known.name.as_str());
        if name.string().is_none_or(str::is_empty) {
            name.error("policy name cannot be empty");
        } else if policies.iter().any(is_known) {
            name.error(format!("duplicate policy name {:?}", name.string().unwrap_or_default()));
        }
        policies.extend(read_policy(&element, Parent::None, options));
    }
    policies
}

/// A policy or sub-policy. `None` if it has an error, which has been reported.
fn read_policy(field: &Field<'_>, parent: Parent, options: PolicyOptions<'_>) -> Option<Policy> {
    let mapping = field.mapping(match parent {
        Parent::None => TOP,
        Parent::And | Parent::Drop => IN_AND,
        Parent::Composite => IN_COMPOSITE,
        Parent::Not => IN_NOT,
    });
    let kind = mapping.get("type").required().choice(TYPES)?;
    warn_of_unused(&mapping, kind);
    let name = text(&mapping.get("name"));
    let block = |key: &str| {
        let block = mapping.get(key);
        if !block.has_value() {
            field.warning(format!(
                "the block `{key}` is missing: its options have their zero values"
            ));
        }
        block
    };
    let kind = match kind {
        "always_sample" => PolicyKind::AlwaysSample,
        "trace_flags" => PolicyKind::TraceFlags,
        "latency" => latency(&block(kind)).into(),
        "numeric_attribute" => numeric_attribute(&block(kind)).into(),
        "probabilistic" => probabilistic(&block(kind)).into(),
        "status_code" => PolicyKind::StatusCode(status_codes(&block(kind))?),
        "string_attribute" => string_attribute(&block(kind)).into(),
        "rate_limiting" => rate_limiting(&block(kind)).into(),
        "bytes_limiting" => bytes_limiting(&block(kind)).into(),
        "span_count" => span_count(&block(kind)).into(),
        "trace_state" => trace_state(&block(kind)).into(),
        "boolean_attribute" => boolean_attribute(&block(kind)).into(),
        "ottl_condition" => ottl_condition(&block(kind))?.into(),
        // A combination inside a policy that does not accept it has no block there.
        _ if !TOP_ONLY_IN
            .iter()
            .any(|(known, parents)| *known == kind && parents.contains(&parent)) =>
        {
            let parent = parent.name();
            field.error(format!("`{kind}` cannot be a sub-policy of `{parent}`"));
            return None;
        }
        "and" => {
            let sub = block(kind).mapping(&["and_sub_policy"]).get("and_sub_policy");
            PolicyKind::And(sub_policies(&sub, Parent::And, options)?)
        }
        "drop" => {
            let sub = block(kind).mapping(&["drop_sub_policy"]).get("drop_sub_policy");
            PolicyKind::Drop(sub_policies(&sub, Parent::Drop, options)?)
        }
        "not" => {
            let sub = block(kind).mapping(&["not_sub_policy"]).get("not_sub_policy").required();
            PolicyKind::Not(Box::new(read_policy(&sub, Parent::Not, options)?))
        }
        _ => PolicyKind::Composite(composite(&block(kind), options)?),
    };
    let policy = Policy::new(name, kind);
    // The name of a policy has been checked where it stands.
    let named = Policy { name: "policy".to_owned(), ..policy.clone() };
    match build(&named, parent, options) {
        Ok(_) => Some(policy),
        Err(error) => {
            let place = mapping.get(policy.kind.type_name());
            if place.exists() {
                place.error(error.message())
            } else {
                let kind = policy.kind.type_name();
                field.error(format!("{}; the block `{kind}` is missing", error.message()))
            }
            None
        }
    }
}

/// Blocks of other types are errors in themselves if they are malformed, as in the Collector, and have no effect.
fn warn_of_unused(mapping: &Mapping<'_>, kind: &str) {
    for key in BLOCKS.iter().filter(|key| **key != kind) {
        let block = mapping.get(key);
        if !block.exists() {
            continue;
        }
        block.warning(format!("the block has no effect: the type is `{kind}`"));
        match *key {
            "latency" => _ = latency(&block),
            "numeric_attribute" => _ = numeric_attribute(&block),
            "probabilistic" => _ = probabilistic(&block),
            "status_code" => _ = status_codes(&block),
            "string_attribute" => _ = string_attribute(&block),
            "rate_limiting" => _ = rate_limiting(&block),
            "bytes_limiting" => _ = bytes_limiting(&block),
            "span_count" => _ = span_count(&block),
            "trace_state" => _ = trace_state(&block),
            "boolean_attribute" => _ = boolean_attribute(&block),
            _ => _ = ottl_condition(&block),
        }
    }
}

fn sub_policies(
    field: &Field<'_>,
    parent: Parent,
    options: PolicyOptions<'_>,
) -> Option<Vec<Policy>> {
    let read = |element: &Field<'_>| read_policy(element, parent, options);
    // All of them are read, so that each error is reported.
    let policies: Vec<Option<Policy>> = field.sequence().iter().map(read).collect();
    policies.into_iter().collect()
}

fn composite(field: &Field<'_>, options: PolicyOptions<'_>) -> Option<CompositePolicy> {
    let mapping = field.mapping(&[
        "max_total_spans_per_second",
        "policy_order",
        "composite_sub_policy",
        "rate_allocation",
    ]);
    let sub_policies =
        sub_policies(&mapping.get("composite_sub_policy"), Parent::Composite, options);
    let allocation = |element: &Field<'_>| {
        let entry = element.mapping(&["policy", "percent"]);
        let percent = integer(&entry.get("percent"), i64::MIN..=i64::MAX).unwrap_or_default();
        (text(&entry.get("policy")), percent)
    };
    let total = integer(&mapping.get("max_total_spans_per_second"), i64::MIN..=i64::MAX);
    let mut policy = CompositePolicy::new(total.unwrap_or_default(), Vec::new());
    policy.policy_order = strings(&mapping.get("policy_order"));
    policy.rate_allocation =
        mapping.get("rate_allocation").sequence().iter().map(allocation).collect();
    policy.sub_policies = sub_policies?;
    warn_of_unknown_names(&mapping, &policy);
    Some(policy)
}

/// The Collector ignores the names that no sub-policy has.
fn warn_of_unknown_names(mapping: &Mapping<'_>, policy: &CompositePolicy) {
    let is_known = |name: &str| policy.sub_policies.iter().any(|sub| sub.name == name);
    let allocated = policy.rate_allocation.iter().map(|(name, _)| ("rate_allocation", name));
    let ordered = policy.policy_order.iter().map(|name| ("policy_order", name));
    for (key, name) in allocated.chain(ordered) {
        if !is_known(name) {
            mapping.get(key).warning(format!(
                "{name:?} has no effect: it is the name of no sub-policy in `composite_sub_policy`"
            ));
        }
    }
}

fn latency(field: &Field<'_>) -> LatencyPolicy {
    let mapping = field.mapping(&["threshold_ms", "upper_threshold_ms"]);
    let number = |key: &str| integer(&mapping.get(key), i64::MIN..=i64::MAX).unwrap_or_default();
    let (lower, upper) = (number("threshold_ms"), number("upper_threshold_ms"));
    // 0 means no upper threshold.
    if upper != 0 && upper < lower {
        field.warning(format!(
            "no duration matches: `threshold_ms` {lower} is greater than `upper_threshold_ms` {upper}"
        ));
    }
    LatencyPolicy::above(lower).with_upper_threshold_ms(upper)
}

fn numeric_attribute(field: &Field<'_>) -> NumericAttributePolicy {
    let mapping = field.mapping(&["key", "min_value", "max_value", "invert_match"]);
    let number = |key: &str| integer(&mapping.get(key), i64::MIN..=i64::MAX).unwrap_or_default();
    let policy = NumericAttributePolicy::new(
        text(&mapping.get("key")),
        number("min_value"),
        number("max_value"),
    );
    let NumericAttributePolicy { min_value, max_value, .. } = policy;
    if min_value > max_value && min_value != 0 && max_value != 0 {
        field.warning(format!(
            "no number matches: `min_value` {min_value} is greater than `max_value` {max_value}"
        ));
    }
    let invert_match = flag(&mapping, "invert_match");
    NumericAttributePolicy { invert_match, ..policy }
}

fn probabilistic(field: &Field<'_>) -> ProbabilisticPolicy {
    let mapping = field.mapping(&["hash_salt", "sampling_percentage"]);
    let percentage = mapping.get("sampling_percentage").number(f64::NEG_INFINITY..=f64::INFINITY);
    ProbabilisticPolicy::new(percentage.unwrap_or_default())
        .with_hash_salt(text(&mapping.get("hash_salt")))
}

/// `None` if a code is not known, which has been reported.
fn status_codes(field: &Field<'_>) -> Option<Vec<StatusCode>> {
    let codes = field.mapping(&["status_codes"]).get("status_codes").sequence();
    let code = |element: &Field<'_>| {
        element.choice(&[
            ("OK", StatusCode::Ok),
            ("ERROR", StatusCode::Error),
            ("UNSET", StatusCode::Unset),
        ])
    };
    codes.iter().map(code).collect()
}

fn string_attribute(field: &Field<'_>) -> StringAttributePolicy {
    let mapping = field.mapping(&[
        "key",
        "values",
        "enabled_regex_matching",
        "cache_max_size",
        "invert_match",
    ]);
    let policy =
        StringAttributePolicy::new(text(&mapping.get("key")), strings(&mapping.get("values")));
    let size = integer(&mapping.get("cache_max_size"), 0..=u32::MAX.into()).unwrap_or_default();
    StringAttributePolicy {
        enabled_regex_matching: flag(&mapping, "enabled_regex_matching"),
        cache_max_size: size as u32,
        invert_match: flag(&mapping, "invert_match"),
        ..policy
    }
}

fn rate_limiting(field: &Field<'_>) -> RateLimitingPolicy {
    let mapping = field.mapping(&["spans_per_second", "burst_capacity"]);
    let number = |key: &str| integer(&mapping.get(key), 0..=i64::MAX).unwrap_or_default();
    RateLimitingPolicy::new(number("spans_per_second"))
        .with_burst_capacity(number("burst_capacity"))
}

fn bytes_limiting(field: &Field<'_>) -> BytesLimitingPolicy {
    let mapping = field.mapping(&["bytes_per_second", "burst_capacity"]);
    let number = |key: &str| integer(&mapping.get(key), 0..=i64::MAX).unwrap_or_default();
    BytesLimitingPolicy::new(number("bytes_per_second"))
        .with_burst_capacity(number("burst_capacity"))
}

fn span_count(field: &Field<'_>) -> SpanCountPolicy {
    let mapping = field.mapping(&["min_spans", "max_spans"]);
    let number = |key: &str| {
        let number = integer(&mapping.get(key), i32::MIN.into()..=i32::MAX.into());
        number.unwrap_or_default() as i32
    };
    SpanCountPolicy::at_least(number("min_spans")).with_max_spans(number("max_spans"))
}

fn trace_state(field: &Field<'_>) -> TraceStatePolicy {
    let mapping = field.mapping(&["key", "values"]);
    TraceStatePolicy::new(text(&mapping.get("key")), strings(&mapping.get("values")))
}

fn boolean_attribute(field: &Field<'_>) -> BooleanAttributePolicy {
    let mapping = field.mapping(&["key", "value", "invert_match"]);
    let policy = BooleanAttributePolicy::new(text(&mapping.get("key")), flag(&mapping, "value"));
    BooleanAttributePolicy { invert_match: flag(&mapping, "invert_match"), ..policy }
}

/// `None` if a condition is not valid, which has been reported at its line.
fn ottl_condition(field: &Field<'_>) -> Option<OttlConditionPolicy> {
    let mapping = field.mapping(&["error_mode", "span", "spanevent"]);
    let error_mode = error_mode(&mapping.get("error_mode"));
    let conditions = |key: &str| -> Option<Vec<String>> {
        let is_event = key == "spanevent";
        let valid = |element: &Field<'_>| {
            let text = element.string()?;
            match check_condition(text, is_event) {
                Ok(()) => Some(text.to_owned()),
                Err(error) => {
                    element.error(error.to_string());
                    None
                }
            }
        };
        // All of them are checked, so that each error is reported.
        let all: Vec<Option<String>> = mapping.get(key).sequence().iter().map(valid).collect();
        all.into_iter().collect()
    };
    let (span, span_event) = (conditions("span"), conditions("spanevent"));
    let policy = OttlConditionPolicy::span(span?).or_span_event(span_event?);
    Some(policy.with_error_mode(error_mode.unwrap_or_default()))
}

/// In upper case or lower case, as the Collector.
pub(super) fn error_mode(field: &Field<'_>) -> Option<ErrorMode> {
    let text = field.string()?;
    let found = ERROR_MODES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, mode)| *mode).or_else(|| field.choice(ERROR_MODES))
}

const ERROR_MODES: &[(&str, ErrorMode)] = &[
    ("propagate", ErrorMode::Propagate),
    ("ignore", ErrorMode::Ignore),
    ("silent", ErrorMode::Silent),
];

fn flag(mapping: &Mapping<'_>, key: &str) -> bool {
    let field = mapping.get(key);
    field.has_value() && field.boolean().unwrap_or_default()
}

macro_rules! with_blocks {
    ($($more:literal),*) => {
        &[
            "name", "type", "latency", "numeric_attribute", "probabilistic", "status_code", "string_attribute",
            "rate_limiting", "bytes_limiting", "span_count", "trace_state", "boolean_attribute", "ottl_condition", $($more),*
        ]
    };
}

/// The keys of a policy, and of sub-policies.
const TOP: &[&str] = with_blocks!("and", "not", "drop", "composite");
const IN_AND: &[&str] = with_blocks!("not");
const IN_COMPOSITE: &[&str] = with_blocks!("and");
const IN_NOT: &[&str] = with_blocks!();

/// The blocks of types without sub-policies.
const BLOCKS: &[&str] = &[
    "latency",
    "numeric_attribute",
    "probabilistic",
    "status_code",
    "string_attribute",
    "rate_limiting",
    "bytes_limiting",
    "span_count",
    "trace_state",
    "boolean_attribute",
    "ottl_condition",
];

/// The types with sub-policies, and the places where the Collector accepts them.
const TOP_ONLY_IN: &[(&str, &[Parent])] = &[
    ("and", &[Parent::None, Parent::Composite]),
    ("not", &[Parent::None, Parent::And, Parent::Drop]),
    ("drop", &[Parent::None]),
    ("composite", &[Parent::None]),
];

const TYPES: &[(&str, &str)] = &[
    ("always_sample", "always_sample"),
    ("latency", "latency"),
    ("numeric_attribute", "numeric_attribute"),
    ("probabilistic", "probabilistic"),
    ("status_code", "status_code"),
    ("string_attribute", "string_attribute"),
    ("rate_limiting", "rate_limiting"),
    ("bytes_limiting", "bytes_limiting"),
    ("span_count", "span_count"),
    ("trace_state", "trace_state"),
    ("trace_flags", "trace_flags"),
    ("boolean_attribute", "boolean_attribute"),
    ("ottl_condition", "ottl_condition"),
    ("and", "and"),
    ("not", "not"),
    ("drop", "drop"),
    ("composite", "composite"),
];
