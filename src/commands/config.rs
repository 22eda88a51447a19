//! `paytriage config check` and `config show`.

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use super::in_force::{catalog_in_force, files_of};
use crate::catalog::Catalog;
use crate::cli::ConfigCommand;
use crate::config::{self, Config, DEFAULT_FILE, Env, LoadError};
use crate::deliver::webhook::client::{ClientError, Fault};
use crate::deliver::webhook::{Sender, Sink, SinkError};
use crate::exit::Exit;
use crate::http::Token;
use crate::provider::Provider;

/// Runs the subcommand. What was asked for goes to `out`, problems and warnings to `err`.
///
/// # Errors
/// Only what keeps it from writing.
pub fn run(command: &ConfigCommand, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit> {
    match command {
        ConfigCommand::Check { file } => check(file.as_deref().unwrap_or(Path::new(DEFAULT_FILE)), env, out, err),
        ConfigCommand::Show { file } => show(file.as_deref(), env, out, err),
    }
}

fn check(file: &Path, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit> {
    let config = match config::load(file, env) {
        Ok(config) => config,
        Err(error) => return refuse(&error, err),
    };
    let catalog = match catalog_in_force(&config.catalog) {
        Ok(catalog) => catalog,
        Err(errors) => {
            for error in errors {
                writeln!(err, "{error}")?;
            }
            return Ok(Exit::Usage);
        }
    };
    let (faults, unknown) = sinks(&config);
    for warning in warnings(&config, &catalog).iter().chain(&unknown) {
        writeln!(err, "{}: warning: {warning}", file.display())?;
    }
    for fault in &faults {
        writeln!(err, "{}: {fault}", file.display())?;
    }
    if !faults.is_empty() {
        return Ok(Exit::Usage);
    }
    writeln!(out, "{}: configuration is valid ({})", file.display(), summary(&config))?;
    Ok(Exit::Done)
}

/// Without a file, what the default file says; where there is none, the defaults.
fn show(file: Option<&Path>, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit> {
    let config = match config::load(file.unwrap_or(Path::new(DEFAULT_FILE)), env) {
        Ok(config) => config,
        Err(LoadError::Unreadable { error, .. }) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            Config::new(env)
        }
        Err(error) => return refuse(&error, err),
    };
    write!(out, "{}", config::show(&config))?;
    Ok(Exit::Done)
}

fn refuse(error: &LoadError, err: &mut dyn Write) -> Result<Exit> {
    writeln!(err, "{error}")?;
    Ok(Exit::Usage)
}

/// What is allowed and yet hardly meant.
pub(super) fn warnings(config: &Config, catalog: &Catalog) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.sources.is_empty() {
        warnings.push("no [[source]]: `paytriage run` will need a PATH".to_owned());
    }
    if config.state.dir.is_none() {
        warnings.push("no directory for state: set state.dir, or HOME".to_owned());
    }
    let unmatched = config.catalog.extra.iter().filter(|pattern| files_of(pattern).is_empty());
    warnings.extend(unmatched.map(|pattern| format!("catalog.extra: {pattern:?} matches no file")));
    for source in &config.sources {
        let Some(provider @ Provider::Custom(_)) = &source.provider else { continue };
        if catalog.entries().iter().all(|entry| entry.provider.as_ref() != Some(provider)) {
            warnings.push(format!("source {:?}: no entry of the catalogue is of provider {provider}", source.name));
        }
    }
    warnings
}

/// What keeps webhooks and the HTTP server from being set up, and what cannot be known here: the daemon's credentials and environment are its own.
fn sinks(config: &Config) -> (Vec<String>, Vec<String>) {
    let (mut faults, mut unknown) = (Vec::new(), Vec::new());
    for webhook in &config.webhooks {
        match Sink::new(webhook.clone(), Sender::new(config, None)) {
            Ok(sink) => unknown.extend(sink.doubt().map(|doubt| format!("sink {:?}: template: {doubt}", webhook.name))),
            Err(SinkError::Client(ClientError { sink, key, fault: Fault::Secret(error) }))
                if error.is_of_another_process() =>
            {
                let what = format!("sink {sink:?}: {key}: {error}");
                unknown.push(format!("{what}; not checked, since the daemon may have what this shell has not"));
            }
            Err(SinkError::Client(error)) => faults.push(error.to_string()),
            Err(SinkError::Template(error)) => faults.push(format!("sink {:?}: template: {error}", webhook.name)),
        }
    }
    let token = config.http.as_ref().and_then(|http| http.token_file.as_deref()).map(Token::read);
    faults.extend(token.and_then(Result::err).map(|error| error.to_string()));
    (faults, unknown)
}

fn summary(config: &Config) -> String {
    let sources = match config.sources.len() {
        1 => "1 source".to_owned(),
        n => format!("{n} sources"),
    };
    let mut parts = vec![sources];
    match config.webhooks.len() {
        0 => {}
        1 => parts.push("1 webhook".to_owned()),
        n => parts.push(format!("{n} webhooks")),
    }
    parts.push(format!("language {}", config.lang));
    if let Some(dir) = &config.state.dir {
        parts.push(format!("state in {}", dir.display()));
    }
    if let Some(http) = &config.http {
        parts.push(format!("HTTP on {}", http.listen));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_on(command: &ConfigCommand) -> Result<(Exit, String, String)> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let env = |name: &str| (name == "HOME").then(|| "/home/me".into());
        let exit = run(command, &env, &mut out, &mut err)?;
        Ok((exit, String::from_utf8(out)?, String::from_utf8(err)?))
    }

    fn check_of(text: &str) -> Result<(Exit, String, String)> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("p.toml");
        let place = format!("{}/", dir.path().display());
        std::fs::write(&file, text.replace("DIR/", &place))?;
        let (exit, out, err) = run_on(&ConfigCommand::Check { file: Some(file) })?;
        Ok((exit, out.replace(&place, ""), err.replace(&place, "")))
    }

    #[test]
    fn a_valid_file_is_summed_up() -> Result<()> {
        let (exit, out, err) = check_of("[[source]]\npaths = [\"a\"]\n[[source]]\npaths = [\"b\"]\n[http]\n")?;
        let expected = "p.toml: configuration is valid \
            (2 sources, language en, state in /home/me/.local/state/paytriage, HTTP on 127.0.0.1:9187)\n";
        assert_eq!((exit, out.as_str(), err.as_str()), (Exit::Done, expected, ""));
        Ok(())
    }

    #[test]
    fn every_problem_is_a_line() -> Result<()> {
        let (exit, out, err) = check_of("langg = 1\n[http]\nlisten = 2\n")?;
        let expected = "p.toml:1:1: langg: unknown key; did you mean \"lang\"?\n\
            p.toml:3:10: http.listen: expected an address such as \"127.0.0.1:9187\" or \"unix:/run/paytriage/http.sock\", found an integer\n";
        assert_eq!((exit, out.as_str(), err.as_str()), (Exit::Usage, "", expected));
        Ok(())
    }

    #[test]
    fn globs_of_catalogues_that_match_nothing_are_warned_of() -> Result<()> {
        let text = "[[source]]\npaths = [\"a\"]\nprovider = \"paypl\"\n\
            [catalog]\nextra = [\"DIR/no/*.toml\", \"DIR/**/q.toml\"]\n";
        let (exit, _, err) = check_of(text)?;
        let expected = "p.toml: warning: catalog.extra: \"no/*.toml\" matches no file\n\
            p.toml: warning: catalog.extra: \"**/q.toml\" matches no file\n\
            p.toml: warning: source \"a\": no entry of the catalogue is of provider paypl\n";
        assert_eq!((exit, err.as_str()), (Exit::Done, expected));
        Ok(())
    }

    const HOOK: &str =
        "[[source]]\npaths = [\"a\"]\n[[sink.webhook]]\nname = \"own\"\nurl = \"https://hooks.example/x\"\n";

    #[test]
    fn what_webhooks_need_is_looked_at() -> Result<()> {
        for (keys, expected) in [
            ("secret_file = \"DIR/no\"\n", "sink \"own\": secret_file: no: cannot be read: "),
            ("secret_file = \"DIR/p.toml\"\n", "sink \"own\": secret_file: p.toml: has more than one line"),
            ("tls = { ca = \"DIR/no.pem\" }\n", "sink \"own\": tls.ca: no.pem: "),
            ("format = \"template\"\ntemplate = \"DIR/no.jinja\"\n", "sink \"own\": template: no.jinja"),
            ("format = \"template\"\ntemplate = \"DIR/p.toml\"\n", "sink \"own\": template: p.toml: gives no JSON ("),
            ("format = \"template\"\ntemplate = \"DIR/p.toml\"\ncontent_type = \"text/plain\"\n", ""),
        ] {
            let (exit, out, err) = check_of(&format!("{HOOK}{keys}"))?;
            if expected.is_empty() {
                assert_eq!((exit, err.as_str()), (Exit::Done, ""), "{keys}");
                continue;
            }
            assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{keys}");
            assert!(err.starts_with(&format!("p.toml: {expected}")), "{err}");
        }
        Ok(())
    }

    #[test]
    fn what_some_messages_make_a_template_fail_at_is_a_warning() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("t.jinja");
        std::fs::write(&file, "{{ messages[0].provider|json }}")?;
        let keys = format!("notify = \"event\"\nformat = \"template\"\ntemplate = {file:?}\n");
        let (exit, _, err) = check_of(&format!("{HOOK}{keys}"))?;
        assert_eq!(exit, Exit::Done, "{err}");
        assert!(err.starts_with("p.toml: warning: sink \"own\": template: "), "{err}");
        assert!(err.contains("t.jinja:1: `messages[0].provider` is undefined; not every message has it"), "{err}");
        Ok(())
    }

    #[test]
    fn what_only_the_daemon_has_is_a_warning() -> Result<()> {
        for (key, expected) in [
            (
                "secret_env = \"PAYTRIAGE_NO_SUCH_SECRET\"\n",
                "sink \"own\": secret_env: $PAYTRIAGE_NO_SUCH_SECRET: is not set",
            ),
            (
                "secret_credential = \"key\"\n",
                "sink \"own\": secret_credential: credential key: $CREDENTIALS_DIRECTORY is not set",
            ),
        ] {
            let (exit, out, err) = check_of(&format!("{HOOK}{key}"))?;
            assert_eq!(exit, Exit::Done, "{err}");
            assert!(err.starts_with(&format!("p.toml: warning: {expected}")) && err.contains("not checked"), "{err}");
            assert!(out.contains("(1 source, 1 webhook, language en"), "{out}");
        }
        Ok(())
    }

    #[test]
    fn what_is_wrong_with_catalogues_is_told() -> Result<()> {
        for (text, expected) in [
            ("[catalog]\nextra = [\"DIR/no.toml\"]\n", "no.toml: cannot read the catalogue: "),
            ("[catalog]\nextra = [\"DIR/*.toml\"]\n", "p.toml:1:2: "),
            ("[catalog]\ndisable = [\"no-such\"]\n", "catalog.disable: no entry is called \"no-such\""),
        ] {
            let (exit, out, err) = check_of(text)?;
            assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{text}");
            assert!(err.starts_with(expected), "{err}");
        }
        Ok(())
    }

    #[test]
    fn disabled_entries_and_own_catalogues_are_taken() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let own = dir.path().join("own.toml");
        std::fs::write(&own, "[[entry]]\nid = \"risk-control\"\nseverity = \"critical\"\n")?;
        let extra = vec![format!("{}/o*.toml", dir.path().display())];
        let config = config::CatalogConfig { extra, disable: Vec::new() };
        let severity = |catalog: &Catalog| catalog.get("risk-control").map(|entry| entry.severity);
        let catalog = catalog_in_force(&config).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        assert_eq!(severity(&catalog), Some(crate::catalog::Severity::Critical));
        let disable = vec![crate::catalog::EntryId("risk-control".into())];
        let catalog = catalog_in_force(&config::CatalogConfig { disable, ..config });
        assert_eq!(catalog.ok().as_ref().map(severity), Some(None));
        Ok(())
    }

    #[test]
    fn what_is_shown_is_valid() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("p.toml");
        std::fs::write(&file, "lang = \"zh\"\ntimezone = \"UTC\"\n[[source]]\npaths = [\"/srv/app.log\"]\n")?;
        let (exit, shown, err) = run_on(&ConfigCommand::Show { file: Some(file.clone()) })?;
        assert_eq!((exit, err.as_str()), (Exit::Done, ""));
        assert!(
            shown.starts_with(
                "lang = \"zh\"\ntimezone = \"UTC\"\n\n[state]\ndir = \"/home/me/.local/state/paytriage\"\n"
            ),
            "{shown}"
        );
        assert!(shown.contains("\nname = \"app\"\npaths = [\"/srv/app.log\"]\n"), "{shown}");
        std::fs::write(&file, &shown)?;
        assert_eq!(run_on(&ConfigCommand::Show { file: Some(file) })?.1, shown);
        Ok(())
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() -> Result<()> {
        let file = std::path::PathBuf::from("/nowhere/p.toml");
        for command in [ConfigCommand::Check { file: Some(file.clone()) }, ConfigCommand::Show { file: Some(file) }] {
            let (exit, out, err) = run_on(&command)?;
            assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
            assert!(err.starts_with("/nowhere/p.toml: cannot read the configuration: "), "{err}");
        }
        Ok(())
    }
}
