//! Parses the arguments, runs the command, gives its exit code. No logic lives here.

use std::process::ExitCode;

fn main() -> ExitCode {
    landfall::cli::main()
}
