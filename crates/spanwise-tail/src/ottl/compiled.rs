//! A condition whose names are resolved, and its evaluation.

use std::borrow::Cow;

use super::ast::{Call, Condition, Key, Node, Syntax};
use super::error::OttlError;
use super::field::{Context, Field, Subject, last_of, resolve};
use super::function::Function;
use super::lexer::{Comparison, MathOp};
use super::parser::parse;
use super::value::{Scalar, Value};
use crate::keys::{KeyIndex, KeyPool};
use crate::pattern::Pattern;
use crate::policy::EvaluationError;
use crate::span_facts::SpanFacts;

/// The meaning of the names of a condition.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'k> {
    pub(crate) context: Context,
    pub(crate) keys: &'k KeyPool,
}

/// A condition over a span, or over a span and one of its events.
#[derive(Debug)]
pub(crate) enum Compiled {
    Or(Vec<Compiled>),
    And(Vec<Compiled>),
    Not(Box<Compiled>),
    Constant(bool),
    Value(Expression),
    Compare(Comparison, Expression, Expression),
    /// Whether a field of the span is, or is not, a text: most conditions. The field is compared as it is encoded.
    Text {
        field: TextField,
        text: Box<str>,
        is_equal: bool,
    },
}

/// A field that is compared with a text.
#[derive(Debug)]
pub(crate) enum TextField {
    Name,
    Attribute(KeyIndex),
}

#[derive(Debug)]
pub(crate) enum Expression {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Str(Box<str>),
    Bytes(Box<[u8]>),
    List(Vec<Expression>),
    Field(Field),
    Call(Function, Vec<Expression>),
    Math(MathOp, Box<Expression>, Box<Expression>),
    /// An element of a map or a list.
    Keyed(Box<Expression>, Vec<Key>),
}

impl Compiled {
    /// Parses and resolves a condition.
    ///
    /// # Errors
    /// A syntax error, or a path, enum or function that is not supported, with its place.
    pub(crate) fn new(text: &str, scope: Scope<'_>) -> Result<Self, OttlError> {
        parse(text).and_then(|tree| condition(tree, scope)).map_err(|error| error.of(text))
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// A function gets a value of a type that it does not take, or arithmetic fails.
    #[inline]
    pub(crate) fn holds(&self, subject: &Subject<'_, '_>) -> Result<bool, EvaluationError> {
        if let Some(holds) = self.text_holds(subject.span) {
            return Ok(holds);
        }
        if let Self::Compare(comparison, left, right) = self
            && let (Some(left), Some(right)) = (left.scalar(subject), right.scalar(subject))
        {
            return Ok(left.compare(*comparison, &right));
        }
        self.holds_any(subject)
    }

    /// Whether [`text_holds`](Self::text_holds) has the result.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. })
    }

    /// The result of a comparison of the span with a text; `None` for another condition.
    #[inline(always)]
    pub(crate) fn text_holds(&self, span: &SpanFacts<'_>) -> Option<bool> {
        let Self::Text { field, text, is_equal } = self else { return None };
        let found = match field {
            TextField::Name => span.is_named(text),
            TextField::Attribute(key) => span.has_text(*key, text),
        };
        Some(found == *is_equal)
    }

    fn holds_any(&self, subject: &Subject<'_, '_>) -> Result<bool, EvaluationError> {
        match self {
            Self::Or(terms) => {
                for term in terms {
                    if term.holds(subject)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::And(terms) => {
                for term in terms {
                    if !term.holds(subject)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Not(inner) => Ok(!inner.holds(subject)?),
            Self::Constant(value) => Ok(*value),
            Self::Text { .. } => Ok(self.text_holds(subject.span).unwrap_or_default()),
            Self::Value(expression) => match expression.value(subject)? {
                Value::Bool(value) => Ok(value),
                other => Err(EvaluationError::new(format!(
                    "the condition is a {}, not a boolean",
                    other.type_name()
                ))),
            },
            Self::Compare(comparison, left, right) => {
                Ok(left.value(subject)?.compare(*comparison, &right.value(subject)?))
            }
        }
    }
}

impl Expression {
    /// The value without a copy and without an allocation, where it has a type that needs none.
    #[inline(always)]
    fn scalar<'a, 'b: 'a>(&'a self, subject: &Subject<'_, 'b>) -> Option<Scalar<'a>> {
        Some(match self {
            Self::Nil => Scalar::Nil,
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Int(number) => Scalar::Int(*number),
            Self::Double(number) => Scalar::Double(*number),
            Self::Str(text) => Scalar::Str(text),
            Self::Field(field) => return field.scalar(subject),
            _ => return None,
        })
    }

    fn value<'a, 'b: 'a>(
        &'a self,
        subject: &Subject<'_, 'b>,
    ) -> Result<Value<'a>, EvaluationError> {
        Ok(match self {
            Self::Nil => Value::Nil,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(number) => Value::Int(*number),
            Self::Double(number) => Value::Double(*number),
            Self::Str(text) => Value::Str(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
            Self::Field(field) => field.read(subject),
            Self::List(elements) => Value::List(values(elements, subject)?),
            Self::Call(function, arguments) => {
                function.call(subject, &values(arguments, subject)?)?
            }
            Self::Math(operator, left, right) => {
                arithmetic(*operator, &left.value(subject)?, &right.value(subject)?)?
            }
            Self::Keyed(inner, keys) => {
                keys.iter().try_fold(inner.value(subject)?, |value, key| element(value, key))?
            }
        })
    }
}

fn values<'a, 'b: 'a>(
    expressions: &'a [Expression],
    subject: &Subject<'_, 'b>,
) -> Result<Vec<Value<'a>>, EvaluationError> {
    expressions.iter().map(|expression| expression.value(subject)).collect()
}

/// The element of a map or list under a key; nil under a key that a map does not have.
fn element<'a>(value: Value<'a>, key: &Key) -> Result<Value<'a>, EvaluationError> {
    if let Value::Nil = value {
        return Ok(Value::Nil);
    }
    match key {
        Key::Name(name) => match value.entries() {
            Some(entries) => Ok(last_of(entries, name).into()),
            None => Err(EvaluationError::new(format!("a {} has no keys", value.type_name()))),
        },
        Key::Index(index) => match value.elements() {
            Some(mut elements) => usize::try_from(*index)
                .ok()
                .and_then(|index| elements.nth(index))
                .ok_or_else(|| EvaluationError::new(format!("index {index} is out of bounds"))),
            None => Err(EvaluationError::new(format!("a {} has no indexes", value.type_name()))),
        },
    }
}

fn arithmetic<'a>(
    operator: MathOp,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<Value<'a>, EvaluationError> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Ok(Value::Int(match operator {
            MathOp::Add => left.wrapping_add(*right),
            MathOp::Subtract => left.wrapping_sub(*right),
            MathOp::Multiply => left.wrapping_mul(*right),
            MathOp::Divide if *right == 0 => {
                return Err(EvaluationError::new("attempted to divide by 0"));
            }
            MathOp::Divide => left.wrapping_div(*right),
        })),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(match operator {
            MathOp::Add => left + right,
            MathOp::Subtract => left - right,
            MathOp::Multiply => left * right,
            MathOp::Divide if *right == 0.0 => {
                return Err(EvaluationError::new("attempted to divide by 0"));
            }
            MathOp::Divide => left / right,
        })),
        _ => Err(EvaluationError::new(format!(
            "arithmetic takes two int64 or two float64, not {} and {}",
            left.type_name(),
            right.type_name()
        ))),
    }
}

fn condition(tree: Condition, scope: Scope<'_>) -> Result<Compiled, OttlError> {
    let all = |terms: Vec<Condition>| {
        terms.into_iter().map(|term| condition(term, scope)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match tree {
        Condition::Or(terms) => Compiled::Or(all(terms)?),
        Condition::And(terms) => Compiled::And(all(terms)?),
        Condition::Not(inner) => Compiled::Not(Box::new(condition(*inner, scope)?)),
        Condition::Constant(value) => Compiled::Constant(value),
        Condition::Call(call_) => Compiled::Value(call(call_, scope)?),
        Condition::Compare(comparison, left, right) => {
            compare(comparison, expression(left, scope)?, expression(right, scope)?)
        }
    })
}

/// A comparison of values. One of a text that is not UTF-8, or of another type, with a text holds if it is `!=`.
fn compare(comparison: Comparison, left: Expression, right: Expression) -> Compiled {
    let is_equal = comparison == Comparison::Equal;
    match (left, right) {
        (Expression::Field(Field::Name), Expression::Str(text))
        | (Expression::Str(text), Expression::Field(Field::Name))
            if is_equal || comparison == Comparison::NotEqual =>
        {
            Compiled::Text { field: TextField::Name, text, is_equal }
        }
        (Expression::Field(Field::SpanAttribute(key)), Expression::Str(text))
        | (Expression::Str(text), Expression::Field(Field::SpanAttribute(key)))
            if is_equal || comparison == Comparison::NotEqual =>
        {
            Compiled::Text { field: TextField::Attribute(key), text, is_equal }
        }
        (left, right) => Compiled::Compare(comparison, left, right),
    }
}

fn expression(node: Node, scope: Scope<'_>) -> Result<Expression, OttlError> {
    let place = node.place;
    let error = |message: String| OttlError::at(place, message);
    Ok(match node.syntax {
        Syntax::Nil => Expression::Nil,
        Syntax::Bool(value) => Expression::Bool(value),
        Syntax::Int(number) => Expression::Int(number),
        Syntax::Double(number) => Expression::Double(number),
        Syntax::String(text) => Expression::Str(text.into()),
        Syntax::Bytes(bytes) => Expression::Bytes(bytes.into()),
        Syntax::Enum(name) => Expression::Int(number_of(&name).map_err(error)?),
        Syntax::Path(path) => {
            let (field, keys) = resolve(&path, scope.context, scope.keys).map_err(error)?;
            keyed(Expression::Field(field), keys)
        }
        Syntax::Call(call_) => call(call_, scope)?,
        Syntax::List(nodes) => Expression::List(expressions(nodes, scope)?),
        Syntax::Math(operator, left, right) => Expression::Math(
            operator,
            Box::new(expression(*left, scope)?),
            Box::new(expression(*right, scope)?),
        ),
    })
}

fn expressions(nodes: Vec<Node>, scope: Scope<'_>) -> Result<Vec<Expression>, OttlError> {
    nodes.into_iter().map(|node| expression(node, scope)).collect()
}

fn keyed(expression: Expression, keys: Vec<Key>) -> Expression {
    if keys.is_empty() { expression } else { Expression::Keyed(Box::new(expression), keys) }
}

fn call(call: Call, scope: Scope<'_>) -> Result<Expression, OttlError> {
    let Call { place, function: name, mut arguments, keys } = call;
    let error = |message: String| OttlError::at(place, message);
    let wrong_count = |expected: usize, found: usize| {
        error(format!("`{name}` takes {expected} arguments, not {found}"))
    };
    if name == "IsMatch" {
        if arguments.len() != 2 {
            return Err(wrong_count(2, arguments.len()));
        }
        let pattern = match arguments.pop().map(|node| (node.place, node.syntax)) {
            Some((place, Syntax::String(text))) => {
                Pattern::new(&text).map_err(|error| OttlError::at(place, error.to_string()))?
            }
            _ => return Err(error("the pattern of `IsMatch` must be a string".to_owned())),
        };
        let arguments = expressions(arguments, scope)?;
        return Ok(keyed(Expression::Call(Function::IsMatch(pattern), arguments), keys));
    }
    let Some((function, count)) = Function::named(&name) else {
        return Err(error(format!(
            "the function `{name}` is not supported; accepted are {FUNCTIONS}"
        )));
    };
    if arguments.len() != count {
        return Err(wrong_count(count, arguments.len()));
    }
    Ok(keyed(Expression::Call(function, expressions(arguments, scope)?), keys))
}

/// The number of an enum.
fn number_of(name: &str) -> Result<i64, String> {
    Ok(match name {
        "SPAN_KIND_UNSPECIFIED" | "STATUS_CODE_UNSET" => 0,
        "SPAN_KIND_INTERNAL" | "STATUS_CODE_OK" => 1,
        "SPAN_KIND_SERVER" | "STATUS_CODE_ERROR" => 2,
        "SPAN_KIND_CLIENT" => 3,
        "SPAN_KIND_PRODUCER" => 4,
        "SPAN_KIND_CONSUMER" => 5,
        _ => {
            return Err(format!(
                "the enum `{name}` is not known; accepted are SPAN_KIND_UNSPECIFIED, SPAN_KIND_INTERNAL, SPAN_KIND_SERVER, \
                 SPAN_KIND_CLIENT, SPAN_KIND_PRODUCER, SPAN_KIND_CONSUMER, STATUS_CODE_UNSET, STATUS_CODE_OK and STATUS_CODE_ERROR"
            ));
        }
    })
}

/// The functions in messages.
const FUNCTIONS: &str = "Bool, Concat, ContainsValue, Double, HasPrefix, HasSuffix, Int, IsBool, IsDouble, IsInt, IsList, IsMap, \
     IsMatch, IsRootSpan, IsString, Len, SpanID, Split, String, Substring, ToLowerCase, ToUpperCase and TraceID";
