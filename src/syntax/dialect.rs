//! The pest parser of `grammar/`, and the nodes that the modules beside this one read.

use pest::Parser as _;
use pest::iterators::Pair;

use super::ast::{Ident, ObjectName, Value, ValueKind};
use super::error::pest_error;
use super::literal::{decode_name, decode_string};
use super::scan::Scanned;
use crate::error::{Error, Result, Span, SqlState};

/// The parser that pest makes of the grammar.
#[derive(pest_derive::Parser)]
#[grammar = "../grammar/dialect.pest"]
#[grammar = "../grammar/keyword.pest"]
#[grammar = "../grammar/lexical.pest"]
struct Dialect;

/// A matched rule, with its place in the statement.
#[derive(Clone)]
pub(super) struct Node<'i> {
    pair: Pair<'i, Rule>,
    /// Where the text that pest read begins in the statement.
    base: usize,
}

/// Matches `rule` against the statement's text from byte `start` to its end.
pub(super) fn parse<'s>(scanned: &'s Scanned<'_>, rule: Rule, start: usize) -> Result<Node<'s>> {
    let text = &scanned.clean[start..scanned.end()];
    match Dialect::parse(rule, text) {
        Ok(mut pairs) => {
            let pair = pairs.next().ok_or_else(|| Error::internal("a rule matched nothing"))?;
            Ok(Node { pair, base: start })
        }
        Err(error) => Err(pest_error(scanned, &error, start)),
    }
}

impl<'i> Node<'i> {
    /// Returns the rule that matched.
    pub(super) fn rule(&self) -> Rule {
        self.pair.as_rule()
    }

    /// Returns the matched text.
    pub(super) fn text(&self) -> &'i str {
        self.pair.as_str().trim_end()
    }

    /// Returns where the matched text stands in the statement.
    pub(super) fn span(&self) -> Span {
        let start = self.base + self.pair.as_span().start();
        Span::new(start, start + self.text().len())
    }

    /// Returns the nodes below.
    pub(super) fn children(&self) -> impl Iterator<Item = Node<'i>> + use<'i> {
        let base = self.base;
        self.pair.clone().into_inner().map(move |pair| Node { pair, base })
    }

    /// Returns the first node below that matched `rule`.
    pub(super) fn find(&self, rule: Rule) -> Option<Node<'i>> {
        self.children().find(|child| child.rule() == rule)
    }

    /// Returns the node below that matched `rule`, which the grammar demands.
    pub(super) fn require(&self, rule: Rule) -> Result<Node<'i>> {
        self.find(rule).ok_or_else(|| {
            Error::internal(format!("{:?} holds no {rule:?}", self.rule())).at(self.span())
        })
    }

    /// Returns the nodes below that matched `rule`.
    pub(super) fn all(&self, rule: Rule) -> impl Iterator<Item = Node<'i>> + use<'i> {
        self.children().filter(move |child| child.rule() == rule)
    }

    /// Tells whether a node below matched `rule`.
    pub(super) fn has(&self, rule: Rule) -> bool {
        self.find(rule).is_some()
    }

    /// Tells whether the optional clause `rule` below matched more than nothing.
    pub(super) fn has_clause(&self, rule: Rule) -> bool {
        self.find(rule).is_some_and(|clause| !clause.text().is_empty())
    }

    /// Returns the name that this node is.
    pub(super) fn ident(&self) -> Ident {
        Ident { value: decode_name(self.text()), span: self.span() }
    }

    /// Returns the name below, or this node's own text as a name.
    pub(super) fn inner_ident(&self, rule: Rule) -> Result<Ident> {
        self.require(rule).map(|node| node.ident())
    }

    /// Returns the name below an optional clause, such as `CONSTRAINT name`.
    pub(super) fn opt_ident(&self, clause: Rule) -> Option<Ident> {
        self.find(clause)?.find(Rule::name).map(|node| node.ident())
    }

    /// Returns the names of the list below.
    pub(super) fn name_list(&self) -> Vec<Ident> {
        self.find(Rule::name_list)
            .map(|list| list.all(Rule::name).map(|name| name.ident()).collect())
            .unwrap_or_default()
    }

    /// Returns the dotted name that this node is: one to three parts.
    pub(super) fn object_name(&self) -> Result<ObjectName> {
        let parts: Vec<Ident> = self
            .children()
            .filter(|child| matches!(child.rule(), Rule::name | Rule::any_name | Rule::star))
            .map(|child| child.ident())
            .collect();
        object_name(parts, self.span())
    }

    /// Returns the table's name below.
    pub(super) fn table_name(&self) -> Result<ObjectName> {
        self.require(Rule::table_name)?.object_name()
    }

    /// Returns the value that this node is: a string, word, number or placeholder, or a rule that
    /// holds one of them alone.
    pub(super) fn value(&self) -> Result<Value> {
        let mut node = self.clone();
        while !matches!(
            node.rule(),
            Rule::string
                | Rule::placeholder
                | Rule::number
                | Rule::quoted_name
                | Rule::word
                | Rule::name
        ) {
            node = node.children().next().ok_or_else(|| {
                Error::internal(format!("{:?} holds no value", self.rule())).at(self.span())
            })?;
        }
        let span = node.span();
        let (kind, text) = match node.rule() {
            Rule::string => (ValueKind::String, decode_string(node.text(), span.start)?),
            Rule::placeholder => (ValueKind::Placeholder, node.text()[1..].to_owned()),
            Rule::number => {
                let digits = node.text().chars().filter(|c| !c.is_whitespace() && *c != '+');
                (ValueKind::Number, digits.collect())
            }
            _ => (ValueKind::Word, decode_name(node.text())),
        };
        Ok(Value { text, kind, span })
    }
}

/// Returns the name of these parts, of which a table's name has three at most.
pub(super) fn object_name(parts: Vec<Ident>, span: Span) -> Result<ObjectName> {
    if parts.len() > 3 {
        let written: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        return Err(Error::new(
            SqlState::SYNTAX_ERROR,
            format!("improper qualified name (too many dotted names): {}", written.join(".")),
        )
        .at(span)
        .hint("A table is named database.schema.table at most."));
    }
    Ok(ObjectName { parts, span })
}

/// Returns the error for a clause that parses but is not supported.
pub(super) fn not_supported(what: impl std::fmt::Display, span: Span) -> Error {
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{what} is not supported")).at(span)
}
