//! Everything a person sees: arguments, REPL, scripts, backslash commands, rendering, golden
//! tests and the exit code.
//!
//! Text comes in from a terminal, a script, standard input or a golden test and is cut into
//! statements and commands; statements go to `session`; what it gives back is drawn here. Rows go to
//! standard output, everything else to standard error. This is the only module that touches either.

mod arguments;
mod color;
mod command;
mod console;
mod copy_in;
mod directories;
mod flow;
mod generate;
pub mod golden;
mod help;
mod interrupt;
mod output;
mod pager;
mod progress;
mod render;
mod repl;
mod report;
mod run;
mod script;
mod settings;
mod splitter;
mod stream;
mod variables;

pub use run::run;
