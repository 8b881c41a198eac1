//! Parses a condition.
//!
//! Grammar: [OTTL's language](https://github.com/open-telemetry/opentelemetry-collector-contrib/blob/main/pkg/ottl/LANGUAGE.md),
//! boolean expressions without maps and named arguments.

use super::ast::{Call, Condition, Key, Node, Path, Syntax};
use super::error::{OttlError, Place};
use super::lexer::{MathOp, Token, tokens};

/// The tree of `text`.
pub(crate) fn parse(text: &str) -> Result<Condition, OttlError> {
    if text.len() > MAX_BYTES {
        let start = Place { line: 1, column: 1 };
        return Err(OttlError::at(start, format!("the condition has more than {MAX_BYTES} bytes")));
    }
    let tokens = tokens(text)?;
    let last = tokens.last().map_or(Place { line: 1, column: 1 }, |(_, place)| *place);
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, last };
    let condition = parser.or()?;
    match parser.tokens.get(parser.at) {
        None => Ok(condition),
        Some(_) => Err(parser.unexpected("`and`, `or` or the end")),
    }
}

struct Parser<'t> {
    tokens: &'t [(Token, Place)],
    at: usize,
    depth: u32,
    /// The place of the last token, for errors at the end.
    last: Place,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Condition, OttlError> {
        self.deeper()?;
        let mut terms = vec![self.and()?];
        while self.accept_word("or") {
            terms.push(self.and()?);
        }
        self.depth -= 1;
        Ok(joined(terms, Condition::Or))
    }

    fn and(&mut self) -> Result<Condition, OttlError> {
        let mut terms = vec![self.boolean()?];
        while self.accept_word("and") {
            terms.push(self.boolean()?);
        }
        Ok(joined(terms, Condition::And))
    }

    fn boolean(&mut self) -> Result<Condition, OttlError> {
        if self.accept_word("not") {
            // OTTL has no double negation.
            return Ok(Condition::Not(Box::new(self.positive()?)));
        }
        self.positive()
    }

    fn positive(&mut self) -> Result<Condition, OttlError> {
        if self.peek_punct('(') && !self.is_value_in_parentheses() {
            self.at += 1;
            let inner = self.or()?;
            self.expect(')')?;
            return Ok(inner);
        }
        let left = self.value()?;
        if let Some((Token::Comparison(comparison), _)) = self.tokens.get(self.at) {
            self.at += 1;
            let right = self.value()?;
            return Ok(Condition::Compare(*comparison, left, right));
        }
        match left.syntax {
            Syntax::Bool(value) => Ok(Condition::Constant(value)),
            Syntax::Call(call) => Ok(Condition::Call(call)),
            _ => Err(self.unexpected("a comparison such as `==`")),
        }
    }

    /// Whether an operator of values stands behind the parenthesis that closes this one.
    fn is_value_in_parentheses(&self) -> bool {
        let mut open = 0usize;
        for (index, (token, _)) in self.tokens.iter().enumerate().skip(self.at) {
            match token {
                Token::Punct('(') => open += 1,
                Token::Punct(')') => open -= 1,
                _ => {}
            }
            if open == 0 {
                let behind = self.tokens.get(index + 1).map(|(token, _)| token);
                return matches!(behind, Some(Token::Comparison(_) | Token::Math(_)));
            }
        }
        false
    }

    fn value(&mut self) -> Result<Node, OttlError> {
        self.deeper()?;
        let mut left = self.product()?;
        while let Some(operator @ (MathOp::Add | MathOp::Subtract)) = self.peek_math() {
            self.at += 1;
            left = math(operator, left, self.product()?);
            self.count_operator()?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn product(&mut self) -> Result<Node, OttlError> {
        let mut left = self.primary()?;
        while let Some(operator @ (MathOp::Multiply | MathOp::Divide)) = self.peek_math() {
            self.at += 1;
            left = math(operator, left, self.primary()?);
            self.count_operator()?;
        }
        Ok(left)
    }

    fn primary(&mut self) -> Result<Node, OttlError> {
        let Some((token, place)) = self.tokens.get(self.at) else {
            return Err(self.unexpected("a value"));
        };
        let place = *place;
        let syntax = match token {
            Token::Punct('(') => {
                self.at += 1;
                let inner = self.value()?;
                self.expect(')')?;
                return Ok(inner);
            }
            Token::Punct('[') => Syntax::List(self.list('[', ']')?),
            Token::Punct('{') => {
                return Err(OttlError::at(place, "maps are not supported in conditions"));
            }
            Token::Lower(word) if !matches!(word.as_str(), "true" | "false" | "nil") => {
                if matches!(word.as_str(), "not" | "and" | "or" | "where") {
                    return Err(self.unexpected("a value"));
                }
                Syntax::Path(self.path()?)
            }
            Token::Upper(_) => self.call_or_enum(place)?,
            other => {
                let literal = literal(other).ok_or_else(|| self.unexpected("a value"))?;
                self.at += 1;
                literal
            }
        };
        Ok(Node { place, syntax })
    }

    fn call_or_enum(&mut self, place: Place) -> Result<Syntax, OttlError> {
        let Some((Token::Upper(name), _)) = self.tokens.get(self.at) else {
            return Err(self.unexpected("a function"));
        };
        self.at += 1;
        if !self.peek_punct('(') {
            return Ok(Syntax::Enum(name.clone()));
        }
        let arguments = self.list('(', ')')?;
        let keys = self.keys()?;
        Ok(Syntax::Call(Call { place, function: name.clone(), arguments, keys }))
    }

    fn path(&mut self) -> Result<Path, OttlError> {
        let mut fields = Vec::new();
        loop {
            let Some((Token::Lower(name), place)) = self.tokens.get(self.at) else {
                return Err(self.unexpected("the name of a field"));
            };
            self.at += 1;
            if self.peek_punct('(') {
                let message = format!("function names begin with a capital, unlike `{name}`");
                return Err(OttlError::at(*place, message));
            }
            fields.push((name.clone(), self.keys()?));
            if !self.accept_punct('.') {
                return Ok(Path { fields });
            }
        }
    }

    fn keys(&mut self) -> Result<Vec<Key>, OttlError> {
        let mut keys = Vec::new();
        while self.accept_punct('[') {
            keys.push(match self.tokens.get(self.at) {
                Some((Token::String(name), _)) => Key::Name(name.as_str().into()),
                Some((Token::Int(index), _)) => Key::Index(*index),
                _ => return Err(self.unexpected("a string or a number as key")),
            });
            self.at += 1;
            self.expect(']')?;
        }
        Ok(keys)
    }

    fn list(&mut self, open: char, close: char) -> Result<Vec<Node>, OttlError> {
        self.expect(open)?;
        let mut values = Vec::new();
        if self.accept_punct(close) {
            return Ok(values);
        }
        loop {
            if let Some((Token::Punct('='), place)) = self.tokens.get(self.at + 1) {
                return Err(OttlError::at(*place, "named arguments are not supported"));
            }
            values.push(self.value()?);
            if !self.accept_punct(',') {
                self.expect(close)?;
                return Ok(values);
            }
        }
    }

    fn deeper(&mut self) -> Result<(), OttlError> {
        self.depth += 1;
        match self.depth {
            ..=MAX_DEPTH => Ok(()),
            _ => Err(OttlError::at(self.place(), "the condition is nested too deeply")),
        }
    }

    /// A chain of operators is a deep tree, too.
    fn count_operator(&self) -> Result<(), OttlError> {
        match self.at {
            ..=MAX_OPERATOR_TOKENS => Ok(()),
            _ => Err(OttlError::at(self.place(), "arithmetic in too long a condition")),
        }
    }

    fn place(&self) -> Place {
        self.tokens.get(self.at).map_or(self.last, |(_, place)| *place)
    }

    fn unexpected(&self, expected: &str) -> OttlError {
        let found = match self.tokens.get(self.at) {
            None => "the end".to_owned(),
            Some((token, _)) => described(token),
        };
        OttlError::at(self.place(), format!("{expected} is expected, not {found}"))
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found =
            matches!(self.tokens.get(self.at), Some((Token::Lower(found), _)) if found == word);
        self.at += usize::from(found);
        found
    }

    fn peek_punct(&self, punct: char) -> bool {
        matches!(self.tokens.get(self.at), Some((Token::Punct(found), _)) if *found == punct)
    }

    fn accept_punct(&mut self, punct: char) -> bool {
        let found = self.peek_punct(punct);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, punct: char) -> Result<(), OttlError> {
        if self.accept_punct(punct) { Ok(()) } else { Err(self.unexpected(&format!("`{punct}`"))) }
    }

    fn peek_math(&self) -> Option<MathOp> {
        match self.tokens.get(self.at) {
            Some((Token::Math(operator), _)) => Some(*operator),
            _ => None,
        }
    }
}

fn joined(mut terms: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        last => {
            terms.extend(last);
            join(terms)
        }
    }
}

fn math(operator: MathOp, left: Node, right: Node) -> Node {
    let place = left.place;
    Node { place, syntax: Syntax::Math(operator, Box::new(left), Box::new(right)) }
}

fn literal(token: &Token) -> Option<Syntax> {
    Some(match token {
        Token::Bytes(bytes) => Syntax::Bytes(bytes.clone()),
        Token::Float(number) => Syntax::Double(*number),
        Token::Int(number) => Syntax::Int(*number),
        Token::String(text) => Syntax::String(text.clone()),
        Token::Lower(word) => match word.as_str() {
            "true" => Syntax::Bool(true),
            "false" => Syntax::Bool(false),
            "nil" => Syntax::Nil,
            _ => return None,
        },
        _ => return None,
    })
}

/// A token for a message.
fn described(token: &Token) -> String {
    match token {
        Token::Bytes(_) => "a byte slice".to_owned(),
        Token::Float(number) => format!("`{number}`"),
        Token::Int(number) => format!("`{number}`"),
        Token::String(_) => "a string".to_owned(),
        Token::Lower(word) | Token::Upper(word) => {
            format!("`{}`", word.chars().take(40).collect::<String>())
        }
        Token::Comparison(_) => "a comparison".to_owned(),
        Token::Math(_) => "an arithmetic operator".to_owned(),
        Token::Punct(punct) => format!("`{punct}`"),
    }
}

/// The longest condition.
const MAX_BYTES: usize = 64 << 10;
/// Parentheses, lists and arguments inside each other.
const MAX_DEPTH: u32 = 64;
/// Tokens before the last arithmetic operator.
const MAX_OPERATOR_TOKENS: usize = 500;
