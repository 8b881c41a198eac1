//! `resource`.

use super::super::attribute_filter::AttributeFilter;
use super::super::resource::parse_list;
use super::patterns;
use crate::detectors::Detector;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use spanwise_config::{Field, Scalar};

/// The settings of `resource`.
#[derive(Debug, Default)]
pub(super) struct Resource {
    /// Later ones precede earlier ones.
    pub(super) attributes: Vec<KeyValue>,
    pub(super) detectors: Vec<Detector>,
    pub(super) detected: AttributeFilter,
    pub(super) schema_url: Option<String>,
}

pub(super) fn read(field: &Field<'_>) -> Resource {
    let resource = field.mapping(KEYS);
    let list = resource.get("attributes_list");
    let listed = list.string().map(|text| parse_list(text).ok_or(()));
    if listed == Some(Err(())) {
        list.error("a list of key=value is expected, percent-encoded, with commas between them");
    }
    let mut attributes = listed.and_then(Result::ok).unwrap_or_default();
    attributes.extend(resource.get("attributes").sequence().iter().filter_map(attribute));
    let (detectors, detected) = detection(&DETECTION.map(|key| resource.get(key)));
    Resource {
        attributes,
        detectors,
        detected,
        schema_url: resource.get("schema_url").string().map(str::to_owned),
    }
}

fn attribute(field: &Field<'_>) -> Option<KeyValue> {
    let attribute = field.mapping(&["name", "value", "type"]);
    let name = attribute.get("name").required();
    let value = attribute.get("value");
    let kind = attribute.get("type").choice(TYPES);
    let value = match kind.unwrap_or(Type::Any) {
        Type::Any if value.is_sequence() => array(&value, Type::Any),
        Type::Array(element) => array(&value, *element.as_type()),
        scalar => one(&value, scalar),
    };
    let name = name.string().filter(|name| !name.is_empty())?;
    Some(KeyValue::new(name.to_owned(), value?))
}

/// The type of an attribute's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    /// As YAML has it.
    Any,
    String,
    Bool,
    Int,
    Double,
    Array(Element),
}

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    String,
    Bool,
    Int,
    Double,
}

impl Element {
    fn as_type(self) -> &'static Type {
        match self {
            Self::String => &Type::String,
            Self::Bool => &Type::Bool,
            Self::Int => &Type::Int,
            Self::Double => &Type::Double,
        }
    }
}

fn one(field: &Field<'_>, kind: Type) -> Option<Value> {
    match kind {
        Type::String => field.string().map(|text| Value::from(text.to_owned())),
        Type::Bool => field.boolean().map(Value::from),
        Type::Int => field.integer(i64::MIN..=i64::MAX).map(Value::from),
        Type::Double => field.number(f64::NEG_INFINITY..=f64::INFINITY).map(Value::from),
        Type::Any | Type::Array(_) => match field.any_scalar()? {
            Scalar::Bool(_) => one(field, Type::Bool),
            Scalar::Integer(_) => one(field, Type::Int),
            Scalar::Float(_) => one(field, Type::Double),
            _ => one(field, Type::String),
        },
    }
}

/// Elements of one type: the first one's, unless the file names it.
fn array(field: &Field<'_>, kind: Type) -> Option<Value> {
    let values: Vec<Value> =
        field.sequence().iter().map(|element| one(element, kind)).collect::<Option<_>>()?;
    let texts = || {
        values.iter().map(|value| match value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        })
    };
    let array = match values.first() {
        Some(Value::Bool(_)) => all(&values, |value| match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        })
        .map(Array::Bool),
        Some(Value::I64(_)) => all(&values, |value| match value {
            Value::I64(value) => Some(*value),
            _ => None,
        })
        .map(Array::I64),
        Some(Value::F64(_)) => all(&values, |value| match value {
            Value::F64(value) => Some(*value),
            _ => None,
        })
        .map(Array::F64),
        _ => texts().collect::<Option<Vec<StringValue>>>().map(Array::String),
    };
    if array.is_none() {
        field.error("the elements of an array have one type");
    }
    array.map(Value::Array)
}

fn all<T>(values: &[Value], of: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    values.iter().map(of).collect()
}

/// The detectors, and the choice among their attributes, of the first field that the file has.
fn detection(fields: &[Field<'_>]) -> (Vec<Detector>, AttributeFilter) {
    let field = fields.iter().find(|field| field.has_value());
    field.map(detected).unwrap_or_default()
}

fn detected(field: &Field<'_>) -> (Vec<Detector>, AttributeFilter) {
    let detection = field.mapping(&["attributes", "detectors", "entities_enabled"]);
    let attributes = detection.get("attributes").mapping(&["included", "excluded"]);
    let filter = AttributeFilter {
        included: patterns::several(&attributes.get("included")),
        excluded: patterns::several(&attributes.get("excluded")).unwrap_or_default(),
    };
    let entities = detection.get("entities_enabled");
    if entities.boolean() == Some(true) {
        entities.warning("it has no effect: entities are not supported");
    }
    let detectors = detection.get("detectors").sequence();
    let chosen = detectors.iter().filter_map(|field| field.kind(DETECTORS));
    let detectors = chosen
        .flat_map(|(name, _)| match name {
            "container" => &[Detector::Container][..],
            "host" => &[Detector::Host, Detector::Os],
            "process" => &[Detector::Process],
            _ => &[Detector::ServiceInstance],
        })
        .copied()
        .collect();
    (detectors, filter)
}

const KEYS: &[&str] =
    &["attributes", "attributes_list", "detection/development", "detection", "schema_url"];
/// The name in schema 1.1, and that of the next version.
const DETECTION: [&str; 2] = ["detection/development", "detection"];
const DETECTORS: &[&str] = &["container", "host", "process", "service"];
const TYPES: &[(&str, Type)] = &[
    ("string", Type::String),
    ("bool", Type::Bool),
    ("int", Type::Int),
    ("double", Type::Double),
    ("string_array", Type::Array(Element::String)),
    ("bool_array", Type::Array(Element::Bool)),
    ("int_array", Type::Array(Element::Int)),
    ("double_array", Type::Array(Element::Double)),
];
