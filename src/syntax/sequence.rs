//! CREATE SEQUENCE and ALTER SEQUENCE: their options, read and printed.

use super::ast::{
    AlterSequence, CreateSequence, Ident, ObjectName, SequenceOption, SequenceOptionKind, Statement,
};
use super::dialect::{Node, Rule, object_name as name_of};
use super::print::{ident, object_name, opt};
use crate::error::{Error, Result, Span};

/// Reads a CREATE SEQUENCE.
pub(super) fn create(node: &Node<'_>) -> Result<Statement> {
    Ok(Statement::CreateSequence(CreateSequence {
        name: node.table_name()?,
        if_not_exists: node.has_clause(Rule::opt_if_not_exists),
        options: options(node)?,
    }))
}

/// Reads an ALTER SEQUENCE.
pub(super) fn alter(node: &Node<'_>) -> Result<Statement> {
    Ok(Statement::AlterSequence(AlterSequence {
        name: node.table_name()?,
        if_exists: node.has_clause(Rule::opt_if_exists),
        options: options(node)?,
    }))
}

fn options(node: &Node<'_>) -> Result<Vec<SequenceOption>> {
    node.all(Rule::sequence_option).map(|option| read(&option)).collect()
}

fn read(node: &Node<'_>) -> Result<SequenceOption> {
    use SequenceOptionKind as Kind;
    let number = node.find(Rule::sequence_number).map(|number| {
        number.text().chars().filter(|c| !c.is_whitespace() && *c != '+').collect::<String>()
    });
    let required = || number.clone().ok_or_else(|| Error::internal("an option without its number"));
    let first = node.children().next().map(|word| word.rule());
    let kind = match first {
        Some(Rule::kw_as) => Kind::Type(node.require(Rule::sequence_type)?.text().to_owned()),
        Some(Rule::kw_increment) => Kind::Increment(required()?),
        Some(Rule::kw_minvalue) => Kind::Minimum(Some(required()?)),
        Some(Rule::kw_maxvalue) => Kind::Maximum(Some(required()?)),
        Some(Rule::kw_no) if node.has(Rule::kw_minvalue) => Kind::Minimum(None),
        Some(Rule::kw_no) if node.has(Rule::kw_maxvalue) => Kind::Maximum(None),
        Some(Rule::kw_no) => Kind::Cycle(false),
        Some(Rule::kw_start) => Kind::Start(required()?),
        Some(Rule::kw_restart) => Kind::Restart(number),
        Some(Rule::kw_cache) => Kind::Cache(required()?),
        Some(Rule::kw_cycle) => Kind::Cycle(true),
        _ => match node.find(Rule::sequence_owner) {
            Some(owner) => Kind::OwnedBy(Some(column(&owner)?)),
            None => Kind::OwnedBy(None),
        },
    };
    Ok(SequenceOption { kind, span: node.span() })
}

/// Reads `t.id`, `public.t.id`, `shop.public.t.id`.
fn column(node: &Node<'_>) -> Result<(ObjectName, Ident)> {
    let names = node.children().filter(|child| matches!(child.rule(), Rule::name | Rule::any_name));
    let mut parts: Vec<Ident> = names.map(|name| name.ident()).collect();
    let column = parts.pop().ok_or_else(|| Error::internal("an owner without a name"))?;
    let end = parts.last().map_or(node.span().end, |table| table.span.end);
    Ok((name_of(parts, Span::new(node.span().start, end))?, column))
}

/// Prints a CREATE SEQUENCE.
pub(super) fn print_create_sequence(create: &CreateSequence) -> String {
    format!(
        "CREATE SEQUENCE {}{}{}",
        opt(create.if_not_exists, "IF NOT EXISTS "),
        object_name(&create.name),
        print_options(&create.options)
    )
}

/// Prints an ALTER SEQUENCE.
pub(super) fn print_alter_sequence(alter: &AlterSequence) -> String {
    format!(
        "ALTER SEQUENCE {}{}{}",
        opt(alter.if_exists, "IF EXISTS "),
        object_name(&alter.name),
        print_options(&alter.options)
    )
}

fn print_options(options: &[SequenceOption]) -> String {
    use SequenceOptionKind as Kind;
    let printed = options.iter().map(|option| match &option.kind {
        Kind::Type(name) => format!(" AS {name}"),
        Kind::Increment(number) => format!(" INCREMENT BY {number}"),
        Kind::Minimum(Some(number)) => format!(" MINVALUE {number}"),
        Kind::Minimum(None) => " NO MINVALUE".to_owned(),
        Kind::Maximum(Some(number)) => format!(" MAXVALUE {number}"),
        Kind::Maximum(None) => " NO MAXVALUE".to_owned(),
        Kind::Start(number) => format!(" START WITH {number}"),
        Kind::Restart(Some(number)) => format!(" RESTART WITH {number}"),
        Kind::Restart(None) => " RESTART".to_owned(),
        Kind::Cache(number) => format!(" CACHE {number}"),
        Kind::Cycle(true) => " CYCLE".to_owned(),
        Kind::Cycle(false) => " NO CYCLE".to_owned(),
        Kind::OwnedBy(None) => " OWNED BY NONE".to_owned(),
        Kind::OwnedBy(Some((table, column))) => {
            format!(" OWNED BY {}.{}", object_name(table), ident(column))
        }
    });
    printed.collect()
}
