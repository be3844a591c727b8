//! SET and RESET of cluster settings and session variables.

use super::ast::{Ident, Statement, Value, ValueKind};
use super::dialect::{Node, Rule};
use crate::error::{Result, Span};

/// Reads a SET CLUSTER SETTING.
pub(super) fn set_cluster(node: &Node<'_>) -> Result<Statement> {
    Ok(Statement::SetClusterSetting {
        name: setting_name(&node.require(Rule::setting_name)?),
        value: setting_value(&node.require(Rule::setting_value)?)?,
    })
}

/// Reads a RESET CLUSTER SETTING.
pub(super) fn reset_cluster(node: &Node<'_>) -> Result<Statement> {
    Ok(Statement::ResetClusterSetting { name: setting_name(&node.require(Rule::setting_name)?) })
}

/// Reads a SET of a session variable, under any of its names.
pub(super) fn set_variable(node: &Node<'_>) -> Result<Statement> {
    if let Some(zone) = node.find(Rule::zone_value) {
        let value = match zone.find(Rule::setting_value) {
            Some(value) => setting_value(&value)?,
            None => None,
        };
        return Ok(Statement::SetVariable { name: time_zone(node), value });
    }
    if let Some(names) = node.find(Rule::names) {
        let name = Ident { value: "client_encoding".into(), span: names.span() };
        let value = node.find(Rule::value).map(|value| value.value()).transpose()?;
        return Ok(Statement::SetVariable { name, value });
    }
    let name = setting_name(&node.require(Rule::setting_name)?);
    let first = setting_value(&node.require(Rule::setting_value)?)?;
    let more = node.all(Rule::value).map(|value| value.value()).collect::<Result<Vec<_>>>()?;
    let value = first.map(|first| join(first, &more));
    match value {
        Some(value) if name.value == "database" && is_name(&value) => {
            Ok(Statement::Use { name: Ident { value: value.text, span: value.span } })
        }
        value => Ok(Statement::SetVariable { name, value }),
    }
}

fn is_name(value: &Value) -> bool {
    matches!(value.kind, ValueKind::String | ValueKind::Word)
}

/// Joins the values of a list into one.
fn join(first: Value, more: &[Value]) -> Value {
    let Some(last) = more.last() else { return first };
    let mut text = first.text;
    for value in more {
        text.push_str(", ");
        text.push_str(&value.text);
    }
    let span = Span::new(first.span.start, last.span.end);
    Value { text, kind: ValueKind::String, span }
}

/// Reads a RESET of a session variable.
pub(super) fn reset_variable(node: &Node<'_>) -> Statement {
    let name = match node.find(Rule::setting_name) {
        Some(name) => setting_name(&name),
        None => time_zone(node),
    };
    Statement::ResetVariable { name }
}

/// Returns the variable that TIME ZONE below `node` stands for.
pub(super) fn time_zone(node: &Node<'_>) -> Ident {
    let span = node.find(Rule::time_zone).map_or(node.span(), |words| words.span());
    Ident { value: "timezone".into(), span }
}

/// Returns the dotted name of a setting, lower case.
pub(super) fn setting_name(node: &Node<'_>) -> Ident {
    let parts: Vec<String> =
        node.all(Rule::any_name).map(|part| part.ident().value.to_lowercase()).collect();
    Ident { value: parts.join("."), span: node.span() }
}

/// Returns the value, or nothing for DEFAULT.
fn setting_value(node: &Node<'_>) -> Result<Option<Value>> {
    node.find(Rule::value).map(|value| value.value()).transpose()
}
