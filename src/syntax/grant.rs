//! GRANT, REVOKE, and the statements about users.

use super::ast::{Grant, GrantTarget, Ident, ObjectName, Statement};
use super::dialect::{Node, Rule, not_supported, object_name};
use super::scan::Scanned;
use super::statement::user_ident;
use crate::error::{Error, Result, Span, SqlState};

/// Reads the body of a GRANT or REVOKE.
pub(super) fn grant(node: &Node<'_>) -> Result<Grant> {
    if let Some(tail) = node.find(Rule::opt_grant_tail).filter(|tail| !tail.text().is_empty()) {
        return Err(not_supported("WITH GRANT OPTION", tail.span()));
    }
    let list = node.require(Rule::privilege_list)?;
    let privileges = list
        .children()
        .filter(|child| matches!(child.rule(), Rule::privilege | Rule::kw_all))
        .map(|child| Ident { value: child.text().to_ascii_uppercase(), span: child.span() })
        .collect();
    Ok(Grant {
        privileges,
        target: target(&node.require(Rule::grant_target)?)?,
        users: users(&node.require(Rule::user_list)?)?,
    })
}

/// Returns the name of a GRANT or REVOKE about something else than tables and databases.
pub(super) fn unsupported_name(scanned: &Scanned<'_>, index: usize) -> Option<String> {
    let verb = ["GRANT", "REVOKE"].into_iter().find(|verb| scanned.is_word(index, verb))?;
    let last = scanned.tokens.len();
    let Some(on) = (index + 1..last).find(|at| scanned.is_word(*at, "ON")) else {
        let give = if verb == "GRANT" { "TO" } else { "FROM" };
        let role = (index + 2..last).any(|at| scanned.is_word(at, give))
            || (last == index + 2 && scanned.is_word(index + 1, "ROLE"));
        return role.then(|| format!("{verb} ROLE"));
    };
    // Each of these is a table's name if no other name follows it.
    let kinds = ["SCHEMA", "TYPE", "FUNCTION", "EXTERNAL CONNECTION"];
    let kind = kinds.into_iter().find(|kind| {
        kind.split(' ').enumerate().all(|(at, word)| scanned.is_word(on + 1 + at, word))
    })?;
    let after = on + 1 + kind.split(' ').count();
    let named = matches!(scanned.word(after), "," | ".")
        || ["TO", "FROM"].iter().any(|word| scanned.is_word(after, word));
    (!named).then(|| format!("{verb} ON {kind}"))
}

/// Reads what privileges are about.
pub(super) fn target(node: &Node<'_>) -> Result<GrantTarget> {
    if node.has(Rule::kw_database) {
        return Ok(GrantTarget::Databases(node.all(Rule::name).map(|name| name.ident()).collect()));
    }
    let schemas = node.all(Rule::grant_schema).map(|schema| all_tables(&schema));
    let tables = node.all(Rule::grant_table).map(|table| grant_table(&table));
    schemas.chain(tables).collect::<Result<_>>().map(GrantTarget::Tables)
}

/// Returns `schema.*`.
fn all_tables(schema: &Node<'_>) -> Result<ObjectName> {
    let ObjectName { mut parts, span } = schema.table_name()?;
    parts.push(Ident { value: "*".into(), span: Span::new(span.end, span.end) });
    object_name(parts, span)
}

fn grant_table(node: &Node<'_>) -> Result<ObjectName> {
    let name = node.object_name()?;
    let quoted_star =
        name.parts.iter().find(|part| part.value == "*" && part.span.end - part.span.start > 1);
    match quoted_star {
        // The tree cannot tell it from the star that means every table.
        Some(part) => Err(Error::new(
            SqlState::INVALID_NAME,
            "table name \"*\" is not usable in GRANT and REVOKE",
        )
        .at(part.span)
        .hint("Without quotes, * means every table.")),
        None => Ok(name),
    }
}

/// Reads a list of users.
pub(super) fn users(list: &Node<'_>) -> Result<Vec<Ident>> {
    list.all(Rule::user).map(|user| user_ident(&user)).collect()
}

/// Reads a CREATE USER.
pub(super) fn create_user(node: &Node<'_>) -> Result<Statement> {
    if let Some(tail) = node.find(Rule::opt_user_tail).filter(|tail| !tail.text().is_empty()) {
        let span = Span::new(tail.span().start, tail.span().start + 2);
        return Err(not_supported("an option of CREATE USER", span)
            .hint("A user has a name only; there are no passwords and no roles."));
    }
    Ok(Statement::CreateUser {
        name: user_ident(&node.require(Rule::user)?)?,
        if_not_exists: node.has_clause(Rule::opt_if_not_exists),
    })
}

/// Reads a DROP USER.
pub(super) fn drop_user(node: &Node<'_>) -> Result<Statement> {
    Ok(Statement::DropUser {
        names: users(&node.require(Rule::user_list)?)?,
        if_exists: node.has_clause(Rule::opt_if_exists),
    })
}
