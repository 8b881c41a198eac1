//! The syntax tree of a condition. Names are not resolved yet.

use super::error::Place;
use super::lexer::{Comparison, MathOp};

#[derive(Debug)]
pub(crate) enum Condition {
    Or(Vec<Condition>),
    And(Vec<Condition>),
    Not(Box<Condition>),
    Constant(bool),
    Call(Call),
    Compare(Comparison, Node, Node),
}

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) syntax: Syntax,
}

#[derive(Debug)]
pub(crate) enum Syntax {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    Enum(String),
    Path(Path),
    Call(Call),
    List(Vec<Node>),
    Math(MathOp, Box<Node>, Box<Node>),
}

/// `span.attributes["key"]`: names, each with its keys.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) fields: Vec<(String, Vec<Key>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    Name(Box<str>),
    Index(i64),
}

/// `Function(argument, …)["key"]`.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) place: Place,
    pub(crate) function: String,
    pub(crate) arguments: Vec<Node>,
    pub(crate) keys: Vec<Key>,
}
