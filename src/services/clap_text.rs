//! What clap has to say about a service's arguments.

use std::io::Write as _;

use clap::Parser;
use clap::error::ErrorKind;

/// Reads `arguments` of the service `name`; `None` where they asked for help or the version, which was printed then.
pub(crate) fn parse<P: Parser>(name: &str, arguments: &[String]) -> Result<Option<P>, String> {
    let words = std::iter::once(name).chain(arguments.iter().map(String::as_str));
    match P::try_parse_from(words) {
        Ok(parsed) => Ok(Some(parsed)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // A reader that has gone away wants no help.
            let _ = write!(std::io::stdout(), "{}", error.render());
            Ok(None)
        }
        Err(error) => Err(error.render().to_string().trim_end().to_owned()),
    }
}
