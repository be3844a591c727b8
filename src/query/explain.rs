//! EXPLAIN: plans as lines of text.

use datafusion::physical_plan::display::DisplayableExecutionPlan;

use super::ExplainOptions;
use super::engine::Plan;
use super::names::visible_name;

/// Returns a plan as lines; after it ran, with what happened in each part.
pub(super) fn lines(plan: &Plan, options: ExplainOptions) -> Vec<String> {
    let mut lines = Vec::new();
    if options.verbose {
        lines.push("Logical plan:".to_owned());
        push(&mut lines, &plan.logical.display_indent().to_string(), "  ");
        lines.push("Physical plan:".to_owned());
    }
    let physical = plan.physical.as_ref();
    let shown = if options.analyze {
        DisplayableExecutionPlan::with_metrics(physical)
    } else {
        DisplayableExecutionPlan::new(physical)
    };
    let indent = if options.verbose { "  " } else { "" };
    push(&mut lines, &shown.set_show_schema(false).indent(false).to_string(), indent);
    lines
}

fn push(lines: &mut Vec<String>, text: &str, indent: &str) {
    lines.extend(text.lines().map(|line| {
        // Names that were made to differ show as the user knows them.
        let line = if line.contains('\u{1}') { plain(line) } else { line.to_owned() };
        format!("{indent}{line}")
    }));
}

fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1}');
    let mut out = parts.next().map(visible_name).unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}
