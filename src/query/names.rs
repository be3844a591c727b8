//! The names of result columns, as PostgreSQL gives them.
//!
//! DataFusion calls columns by their expression (`Int64(1)`, `sum(t.x)`) and refuses two of one name.
//! Every item of a select list gets PostgreSQL's name as an alias; a second one of the same name gets
//! a mark and a number behind it, which `visible_name` takes off again.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Function, Ident, SelectItem, SetExpr, TrimWhereField, Value,
};

use super::sql_types::{name_of_type, sql_type_of};

/// Stands between a name and the number that tells it from another of the same name.
const MARK: char = '\u{1}';

/// Returns the name that a user sees of an internal one.
pub(super) fn visible_name(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// Gives each expression of a select list a name of its own.
pub(super) fn name_items(items: &mut [SelectItem]) {
    let mut taken = HashSet::new();
    // A wildcard may bring any name; what is written beside it then keeps clear of all.
    let wildcard = items
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    for (position, item) in items.iter_mut().enumerate() {
        let (expr, name, keep) = match item {
            SelectItem::UnnamedExpr(expr) => {
                let plain = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                (expr.clone(), name_of(expr), plain)
            }
            SelectItem::ExprWithAlias { expr, alias } => (expr.clone(), normal(alias), false),
            _ => continue,
        };
        let fresh = taken.insert(name.clone());
        let alias = if fresh && !wildcard {
            if keep {
                continue;
            }
            name
        } else {
            marked_name(&name, position)
        };
        *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', alias) };
    }
}

/// Marks every item of a subquery's select list whose name another has too, so that the name alone
/// finds none of them.
pub(super) fn mark_twins(items: &mut [SelectItem]) {
    let name = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) => Some(name_of(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Some(normal(alias)),
        _ => None,
    };
    let names: Vec<Option<String>> = items.iter().map(name).collect();
    for (position, item) in items.iter_mut().enumerate() {
        let Some(name) = &names[position] else { continue };
        if names.iter().filter(|other| other.as_ref() == Some(name)).count() < 2 {
            continue;
        }
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let alias = Ident::with_quote('"', marked_name(name, position));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

/// Returns a name that shows as `name` but is told from others by a number.
pub(super) fn marked_name(name: &str, number: usize) -> String {
    format!("{name}{MARK}{number}")
}

/// Returns an identifier as it names things: lower case unless it is quoted.
pub(super) fn normal(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// Returns the column name of an expression without alias.
pub(super) fn name_of(expr: &Expr) -> String {
    figure(expr).map_or_else(|| "?column?".to_owned(), |(name, _)| name)
}

/// Returns a name and whether it is a strong one, which a cast does not replace (PostgreSQL's
/// `FigureColnameInternal`).
fn figure(expr: &Expr) -> Option<(String, bool)> {
    let strong = |name: &str| Some((name.to_owned(), true));
    let weak = |name: &str| Some((name.to_owned(), false));
    match expr {
        Expr::Identifier(ident) => Some((normal(ident), true)),
        Expr::CompoundIdentifier(idents) => idents.last().map(|ident| (normal(ident), true)),
        Expr::CompoundFieldAccess { root, .. } => figure(root),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::Function(function) => Some((function_name(function), true)),
        Expr::Cast { expr, data_type, .. } => {
            figure(expr).filter(|(_, strong)| *strong).or_else(|| weak(&type_name(data_type)))
        }
        Expr::TypedString(typed) => weak(&type_name(&typed.data_type)),
        Expr::Interval(_) => weak("interval"),
        Expr::Case { else_result, .. } => else_result
            .as_deref()
            .and_then(figure)
            .filter(|(_, strong)| *strong)
            .or_else(|| weak("case")),
        Expr::Exists { .. } => strong("exists"),
        Expr::Subquery(query) => figure_query(&query.body),
        Expr::Array(_) => strong("array"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            Some(TrimWhereField::Both) | None => "btrim",
        }),
        Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => weak("bool"),
        Expr::Tuple(_) => strong("row"),
        _ => None,
    }
}

fn figure_query(body: &SetExpr) -> Option<(String, bool)> {
    match body {
        SetExpr::Select(select) => match select.projection.first()? {
            SelectItem::UnnamedExpr(expr) => figure(expr),
            SelectItem::ExprWithAlias { alias, .. } => {
                Some((visible_name(&normal(alias)).to_owned(), true))
            }
            _ => None,
        },
        SetExpr::Query(query) => figure_query(&query.body),
        SetExpr::SetOperation { left, .. } => figure_query(left),
        _ => None,
    }
}

fn function_name(function: &Function) -> String {
    function.name.0.last().and_then(|part| part.as_ident()).map(normal).unwrap_or_default()
}

fn type_name(data_type: &DataType) -> String {
    sql_type_of(data_type)
        .map_or_else(|_| data_type.to_string().to_lowercase(), |known| name_of_type(&known))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn check(text: &str, expected: &str) {
        let dialect = PostgreSqlDialect {};
        let mut parser = Parser::new(&dialect).try_with_sql(text).unwrap();
        assert_eq!(name_of(&parser.parse_expr().unwrap()), expected, "{text}");
    }

    #[test]
    fn names_columns_as_postgresql_does() {
        check("a", "a");
        check("T.Aa", "aa");
        check("t.\"Aa\"", "Aa");
        check("1", "?column?");
        check("a + 1", "?column?");
        check("count(*)", "count");
        check("Sum(a)", "sum");
        check("a::text", "a");
        check("'1'::int8", "int8");
        check("'1'::string", "text");
        check("date '2020-01-01'", "date");
        check("case when a then b else 1 end", "case");
        check("case when a then b else c end", "c");
        check("coalesce(a, 1)", "coalesce");
        check("array[1, 2]", "array");
        check("exists (select 1)", "exists");
        check("(select max(b) from t)", "max");
        check("extract(year from a)", "extract");
        check("trim(a)", "btrim");
        check("true", "bool");
        check("current_date", "current_date");
    }
}
