//! One source file as its items, its imports and the paths that its code names.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The contents of a module.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Names of structs, enums, unions, traits and type aliases, which a path may lead through.
    pub types: Vec<String>,
    /// Names of functions, constants, statics and macros.
    pub values: Vec<String>,
    pub imports: Vec<Import>,
    /// Paths in code: `crate::a::b`, `Type`, `module::function`.
    pub references: Vec<Vec<String>>,
    /// Names of macros that the module defines, and of those that its code calls.
    pub macro_rules: Vec<String>,
    pub macro_calls: Vec<String>,
    pub modules: Vec<Submodule>,
}

/// One name, or all of a module, brought into scope by `use`.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    /// `None` for a glob.
    pub name: Option<String>,
    pub target: Vec<String>,
    /// Has a visibility: a re-export.
    pub public: bool,
}

/// `mod name;` or `mod name { … }`.
#[derive(Debug, PartialEq, Eq)]
pub struct Submodule {
    pub name: String,
    /// The values of `path` attributes; several if they depend on the system.
    pub paths: Vec<String>,
    /// `None` if it has a file of its own.
    pub body: Option<Contents>,
}

/// Reads a file. Items below `#[cfg(test)]` are left out.
///
/// # Errors
/// When the text is not a sequence of Rust tokens.
pub fn scan(text: &str) -> Result<Contents, String> {
    let tokens: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
    let mut contents = Contents::default();
    contents.items_of(&flat(tokens));
    Ok(contents)
}

fn flat(tokens: TokenStream) -> Vec<TokenTree> {
    tokens.into_iter().collect()
}

impl Contents {
    fn items_of(&mut self, mut rest: &[TokenTree]) {
        while !rest.is_empty() {
            let (attributes, after) = attributes(rest);
            let (public, after) = visibility(after);
            if after.is_empty() {
                return;
            }
            let length = item_length(after);
            let (item, after) = after.split_at(length);
            if !attributes.test {
                self.item(item, attributes.paths, public);
            }
            rest = after;
        }
    }

    fn item(&mut self, item: &[TokenTree], paths: Vec<String>, public: bool) {
        let head = words(&item[..item.len().min(3)]);
        match head.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["mod", name, ..] => {
                let body = item.iter().find_map(braces).map(|tokens| {
                    let mut contents = Contents::default();
                    contents.items_of(&tokens);
                    contents
                });
                self.modules.push(Submodule { name: (*name).to_owned(), paths, body });
            }
            ["use", ..] => self.import(&item[1..], public),
            ["macro_rules", "!", name] => {
                self.values.push((*name).to_owned());
                self.macro_rules.push((*name).to_owned());
                // Each of its arms may define items under a fixed name.
                for arm in item[3..].iter().filter_map(group).flatten() {
                    self.define(&group(&arm).unwrap_or_default(), usize::MAX);
                }
                self.code(&item[3..]);
            }
            // A call: what it defines is in its braces, as in `thread_local!`.
            [_, "!", ..] => {
                for group in item.iter().filter_map(group) {
                    self.define(&group, usize::MAX);
                }
                self.code(item);
            }
            _ => {
                self.define(item, 1);
                self.code(item);
            }
        }
    }

    /// Adds the first `count` names that follow a keyword which defines one.
    fn define(&mut self, tokens: &[TokenTree], count: usize) {
        let words = words(tokens);
        let end = words.iter().position(|word| word == "impl").unwrap_or(words.len());
        let named = words[..end].windows(2).filter(|pair| {
            !matches!(pair[1].as_str(), "fn" | "unsafe" | "extern" | "async" | "mut" | "")
        });
        let defines = |pair: &&[String]| {
            TYPES.contains(&pair[0].as_str()) || VALUES.contains(&pair[0].as_str())
        };
        for pair in named.filter(defines).take(count) {
            let is_type = TYPES.contains(&pair[0].as_str());
            let names = if is_type { &mut self.types } else { &mut self.values };
            names.push(pair[1].clone());
        }
    }

    fn import(&mut self, tokens: &[TokenTree], public: bool) {
        let mut found = Vec::new();
        use_tree(tokens, &[], &mut found);
        self.imports.extend(found.into_iter().map(|(name, target)| Import {
            name,
            target,
            public,
        }));
    }

    /// Collects the paths of code. An import inside of a function counts as one of the module.
    fn code(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while at < tokens.len() {
            if is_punct(tokens.get(at), '#') {
                let (found, rest) = attributes(&tokens[at..]);
                at = tokens.len() - rest.len();
                if found.test {
                    at += item_length(rest);
                }
                continue;
            }
            match &tokens[at] {
                TokenTree::Group(group) => self.code(&flat(group.stream())),
                TokenTree::Ident(word) if word == "use" && !is_punct(tokens.get(at + 1), '<') => {
                    let length = item_length(&tokens[at..]);
                    self.import(&tokens[at + 1..at + length], false);
                    at += length;
                    continue;
                }
                TokenTree::Ident(_) if at > 0 && is_member(tokens, at) => {}
                TokenTree::Ident(_) => {
                    let (path, length) = path(&tokens[at..]);
                    at += length;
                    match path.as_slice() {
                        [name] if is_punct(tokens.get(at), '!') => {
                            self.macro_calls.push(name.clone())
                        }
                        // A field or a parameter with its type.
                        [_] if is_punct(tokens.get(at), ':') => {}
                        _ => self.references.push(path),
                    }
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// Keywords before the name of a type, and of a value.
const TYPES: [&str; 5] = ["struct", "enum", "union", "trait", "type"];
const VALUES: [&str; 4] = ["fn", "const", "static", "mut"];

struct Attributes {
    /// `#[cfg(test)]` is one of them.
    test: bool,
    paths: Vec<String>,
}

fn attributes(mut rest: &[TokenTree]) -> (Attributes, &[TokenTree]) {
    let mut found = Attributes { test: false, paths: Vec::new() };
    while is_punct(rest.first(), '#') {
        let bang = usize::from(is_punct(rest.get(1), '!'));
        let Some(TokenTree::Group(group)) = rest.get(1 + bang) else { break };
        let text: String = group.stream().to_string().split_whitespace().collect();
        found.test |= text == "cfg(test)" || text == "test";
        // Also inside of `cfg_attr`.
        if let Some((_, value)) = text.split_once("path=\"") {
            found.paths.extend(value.split_once('"').map(|(path, _)| path.to_owned()));
        }
        rest = &rest[2 + bang..];
    }
    (found, rest)
}

fn visibility(rest: &[TokenTree]) -> (bool, &[TokenTree]) {
    match rest {
        [TokenTree::Ident(word), TokenTree::Group(group), rest @ ..]
            if word == "pub" && group.delimiter() == Delimiter::Parenthesis =>
        {
            (true, rest)
        }
        [TokenTree::Ident(word), rest @ ..] if word == "pub" => (true, rest),
        _ => (false, rest),
    }
}

/// The tokens of the first item: to its `;`, or to its braces if it may end with these.
fn item_length(tokens: &[TokenTree]) -> usize {
    let head = words(&tokens[..tokens.len().min(2)]);
    let value = match head.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["static" | "use" | "let" | "type", ..] => true,
        ["const", next] => !matches!(*next, "fn" | "unsafe" | "extern" | "async"),
        _ => false,
    };
    let end = tokens
        .iter()
        .position(|token| is_punct(Some(token), ';') || (!value && braces(token).is_some()));
    end.map_or(tokens.len(), |end| end + 1)
}

/// The longest path at the start of `tokens`, and its number of tokens.
fn path(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    let mut length = 0;
    while let Some(TokenTree::Ident(word)) = tokens.get(length) {
        path.push(word.to_string());
        length += 1;
        let colons = is_punct(tokens.get(length), ':') && is_punct(tokens.get(length + 1), ':');
        if !colons || !matches!(tokens.get(length + 2), Some(TokenTree::Ident(_))) {
            break;
        }
        length += 2;
    }
    (path, length)
}

/// Whether the word at `at` follows a `.` or a `'`: a method, a field or a lifetime.
fn is_member(tokens: &[TokenTree], at: usize) -> bool {
    let range = at > 1 && is_punct(tokens.get(at - 2), '.');
    (is_punct(tokens.get(at - 1), '.') && !range) || is_punct(tokens.get(at - 1), '\'')
}

/// Name and target of each import in `a::{b, c as d, e::*}`.
fn use_tree(
    tokens: &[TokenTree],
    prefix: &[String],
    found: &mut Vec<(Option<String>, Vec<String>)>,
) {
    let branches = tokens.split(|token| is_punct(Some(token), ',') || is_punct(Some(token), ';'));
    for branch in branches.filter(|branch| !branch.is_empty()) {
        let mut target = prefix.to_vec();
        let colons = branch.iter().take_while(|token| is_punct(Some(token), ':')).count();
        if colons > 0 {
            // `::std`: out of the crate, whatever is in scope.
            target.push(String::new());
        }
        let branch = &branch[colons..];
        let (own, length) = path(branch);
        target.extend(own);
        let rest: Vec<&TokenTree> =
            branch[length..].iter().filter(|token| !is_punct(Some(token), ':')).collect();
        match rest.as_slice() {
            [TokenTree::Group(group)] => use_tree(&flat(group.stream()), &target, found),
            [star] if is_punct(Some(star), '*') => found.push((None, target)),
            [TokenTree::Ident(_), TokenTree::Ident(name)] => {
                drop_self(&mut target);
                found.push((Some(name.to_string()), target));
            }
            _ => {
                drop_self(&mut target);
                found.push((target.last().cloned(), target));
            }
        }
    }
}

/// `a::{self}` is `a`.
fn drop_self(target: &mut Vec<String>) {
    if target.len() > 1 && target.last().is_some_and(|word| word == "self") {
        target.pop();
    }
}

/// Each token as text; a group is the empty text.
fn words(tokens: &[TokenTree]) -> Vec<String> {
    let word = |token: &TokenTree| match token {
        TokenTree::Ident(word) => word.to_string(),
        TokenTree::Punct(mark) => mark.to_string(),
        TokenTree::Group(_) | TokenTree::Literal(_) => String::new(),
    };
    tokens.iter().map(word).collect()
}

fn is_punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

fn group(token: &TokenTree) -> Option<Vec<TokenTree>> {
    match token {
        TokenTree::Group(group) => Some(flat(group.stream())),
        _ => None,
    }
}

fn braces(token: &TokenTree) -> Option<Vec<TokenTree>> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            Some(flat(group.stream()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(text: &str) -> Vec<String> {
        scan(text).unwrap().references.iter().map(|path| path.join("::")).collect()
    }

    fn imports(text: &str) -> Vec<String> {
        let describe = |import: &Import| {
            let target = import.target.join("::");
            let mark = if import.public { "pub " } else { "" };
            format!("{mark}{} = {target}", import.name.as_deref().unwrap_or("*"))
        };
        scan(text).unwrap().imports.iter().map(describe).collect()
    }

    #[test]
    fn every_kind_of_item_has_its_name() {
        let text = "pub(crate) struct A; enum B {} pub const fn c() -> [u8; 2] { [0; 2] }
            const D: S = S { x: 1 }; static mut E: u8 = 0; pub unsafe trait F {} type G = u8;
            macro_rules! h { ($k:ident) => { struct K { $k: u8 } impl K { fn new() {} } } } impl A { fn method() {} } unsafe impl F for A {}
            thread_local! { static I: u8 = const { 1 }; } pub async fn j() {}";
        let contents = scan(text).unwrap();
        assert_eq!(contents.types, ["A", "B", "F", "G", "K"]);
        assert_eq!(contents.values, ["c", "D", "E", "h", "I", "j"]);
    }

    #[test]
    fn an_import_has_a_name_and_a_target() {
        let text = "use crate::a::{self, b::C as D, e::*}; pub use self::f::G; use ::std::fmt;
            fn h() { use super::i::J; }";
        assert_eq!(
            imports(text),
            [
                "a = crate::a",
                "D = crate::a::b::C",
                "* = crate::a::e",
                "pub G = self::f::G",
                "fmt = ::std::fmt",
                "J = super::i::J",
            ]
        );
    }

    #[test]
    fn code_names_paths_but_not_its_members_and_fields() {
        let text = "fn f<'a>(x: crate::a::B) { x.y.z(); d!(super::e::F { g: 1 }); h(0..K); }";
        assert_eq!(references(text), ["fn", "f", "crate::a::B", "x", "super::e::F", "h", "K"]);
        assert_eq!(scan(text).unwrap().macro_calls, ["d"]);
    }

    #[test]
    fn tests_are_left_out() {
        let text = "#[cfg(test)] mod tests { use super::A; } #[cfg(test)] use crate::b::C;
            impl D { #[cfg(test)] fn e() { crate::f() } fn g() { crate::h() } }";
        assert_eq!(scan(text).unwrap().modules, []);
        assert_eq!(imports(text), [""; 0]);
        assert_eq!(references(text), ["impl", "D", "fn", "g", "crate::h"]);
    }

    #[test]
    fn a_module_has_a_body_or_a_file() {
        let text =
            "#[path = \"x/y.rs\"] #[cfg_attr(unix, path = \"z.rs\")] mod a; mod b { fn c() {} }";
        let found = scan(text).unwrap().modules;
        assert_eq!(found[0].paths, ["x/y.rs", "z.rs"]);
        assert!(found[0].body.is_none());
        assert_eq!(found[1].body.as_ref().unwrap().values, ["c"]);
        assert!(scan("fn a( {").is_err());
    }
}
