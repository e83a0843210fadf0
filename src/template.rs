//! L3: every file that Landfall writes for another program comes from a template in `templates/`, rendered here.
//!
//! takes: a [`Template`] and its value · gives: text · touches: nothing
//!
//! Strict: templates are embedded and all parsed together, a missing value is an error, and each format has its escape. A
//! value that its format cannot carry is an error that names the template and the field, never a broken file.

mod escape;
pub mod server_site;
pub mod site;
pub mod uwsgi;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use handlebars::{Handlebars, RenderError};
use serde::Serialize;
use serde_json::Value;

use crate::base::hint::Hint;
use escape::Format;

/// The templates, each with its text, its format and the type it is rendered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// nginx's main configuration in user mode; from [`site::Main`].
    NginxMain,
    /// One release's server block; from [`site::Site`].
    NginxSite,
    /// An app's site in the server's nginx; from [`server_site::ServerSite`].
    NginxServerSite,
    /// uWSGI's configuration; from [`uwsgi::Uwsgi`].
    Uwsgi,
    /// supervisord's configuration; from `supervisor::program::Supervisord`.
    Supervisord,
    /// One release's programs; from `supervisor::program::ReleasePrograms`.
    Programs,
}

/// What templates include, under the name they include it by.
const PARTS: [(&str, &str); 14] = [
    (
        "cache_map",
        include_str!("../templates/nginx/cache_map.hbs"),
    ),
    ("limits", include_str!("../templates/nginx/limits.hbs")),
    ("backend", include_str!("../templates/nginx/backend.hbs")),
    ("frontend", include_str!("../templates/nginx/frontend.hbs")),
    ("kept", include_str!("../templates/nginx/kept.hbs")),
    (
        "asks_brotli",
        include_str!("../templates/nginx/asks_brotli.hbs"),
    ),
    ("brotli", include_str!("../templates/nginx/brotli.hbs")),
    ("links", include_str!("../templates/nginx/links.hbs")),
    ("tls", include_str!("../templates/nginx/tls.hbs")),
    ("state", include_str!("../templates/nginx/state.hbs")),
    ("headers", include_str!("../templates/nginx/headers.hbs")),
    (
        "uwsgi_params",
        include_str!("../templates/nginx/uwsgi_params.hbs"),
    ),
    ("types", include_str!("../templates/nginx/types.hbs")),
    (
        "program",
        include_str!("../templates/supervisor/program.hbs"),
    ),
];

impl Template {
    const ALL: [Self; 6] = [
        Self::NginxMain,
        Self::NginxSite,
        Self::NginxServerSite,
        Self::Uwsgi,
        Self::Supervisord,
        Self::Programs,
    ];

    /// Its path below `templates/`, without `.hbs`.
    pub fn id(self) -> &'static str {
        match self {
            Self::NginxMain => "nginx/nginx.conf",
            Self::NginxSite => "nginx/site.conf",
            Self::NginxServerSite => "nginx/server_site.conf",
            Self::Uwsgi => "uwsgi/uwsgi.ini",
            Self::Supervisord => "supervisor/supervisord.conf",
            Self::Programs => "supervisor/programs.conf",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::NginxMain => include_str!("../templates/nginx/nginx.conf.hbs"),
            Self::NginxSite => include_str!("../templates/nginx/site.conf.hbs"),
            Self::NginxServerSite => include_str!("../templates/nginx/server_site.conf.hbs"),
            Self::Uwsgi => include_str!("../templates/uwsgi/uwsgi.ini.hbs"),
            Self::Supervisord => include_str!("../templates/supervisor/supervisord.conf.hbs"),
            Self::Programs => include_str!("../templates/supervisor/programs.conf.hbs"),
        }
    }

    fn format(self) -> Format {
        match self {
            Self::NginxMain | Self::NginxSite | Self::NginxServerSite => Format::Nginx,
            Self::Uwsgi => Format::Uwsgi,
            Self::Supervisord | Self::Programs => Format::Supervisor,
        }
    }
}

/// A file that cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A value cannot be written in the file's format.
    #[error("`{value}` cannot stand in {template} as `{field}`: {problem}")]
    Value {
        /// The template.
        template: &'static str,
        /// Where in the template's value: `programs[0].command`.
        field: String,
        /// The value, with control characters shown as escapes.
        value: String,
        /// What the format cannot take.
        problem: &'static str,
    },
    /// The value is no data, such as a path that is not UTF-8.
    #[error("the values for {template} cannot be read")]
    Data {
        /// The template.
        template: &'static str,
        /// What is wrong with them.
        #[source]
        source: serde_json::Error,
    },
    /// Root's own text is no template.
    #[error("/etc/landfall/templates/{path} is no template")]
    Override {
        /// Its path below `templates/`.
        path: String,
        /// Where and why.
        #[source]
        source: Box<handlebars::TemplateError>,
    },
    /// The template asks for what the value does not have.
    #[error("{template} cannot be rendered")]
    Render {
        /// The template.
        template: &'static str,
        /// The place in it.
        #[source]
        source: Box<RenderError>,
    },
}

impl Hint for TemplateError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Value { .. } => {
                vec!["use a name or a path without special characters there".into()]
            }
            Self::Override { path, .. } => vec![format!(
                "compare it with the built-in one: diff /usr/share/landfall/templates/{path} /etc/landfall/templates/{path}"
            )],
            Self::Data { .. } | Self::Render { .. } => Vec::new(),
        }
    }
}

/// Root's own texts in the place of built-in ones, by their path below `templates/` (`nginx/tls.hbs`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(BTreeMap<String, String>);

impl Overrides {
    /// Takes texts by path; the paths must be ones of [`Overrides::known`].
    pub fn new(texts: BTreeMap<String, String>) -> Self {
        Self(texts)
    }

    /// The paths that a template of nginx can be given by, in order.
    pub fn known() -> Vec<String> {
        let mut known: Vec<String> = PARTS
            .iter()
            .map(|(name, _)| part_path(name))
            .filter(|path| path.starts_with("nginx/"))
            .collect();
        known.push(format!("{}.hbs", Template::NginxServerSite.id()));
        known.sort();
        known
    }
}

fn part_path(name: &str) -> String {
    let folder = if name == "program" {
        "supervisor"
    } else {
        "nginx"
    };
    format!("{folder}/{name}.hbs")
}

/// [`render`] with root's own texts in the place of built-in ones.
pub fn render_with(
    overrides: &Overrides,
    template: Template,
    value: &impl Serialize,
) -> Result<String, TemplateError> {
    if overrides.0.is_empty() {
        return render(template, value);
    }
    let mut own = build_registry(template.format());
    for (path, text) in &overrides.0 {
        let name = PARTS
            .iter()
            .find(|(name, _)| part_path(name) == *path)
            .map_or_else(|| path.trim_end_matches(".hbs"), |(name, _)| name);
        own.register_template_string(name, text)
            .map_err(|source| TemplateError::Override {
                path: path.clone(),
                source: Box::new(source),
            })?;
    }
    render_by(&own, template, value)
}

/// Renders `template` from `value`, which must have all that the template names. `None` counts as missing, except where
/// the template asks whether it is there.
pub fn render(template: Template, value: &impl Serialize) -> Result<String, TemplateError> {
    render_by(registry(template.format()), template, value)
}

fn render_by(
    registry: &Handlebars<'_>,
    template: Template,
    value: &impl Serialize,
) -> Result<String, TemplateError> {
    let id = template.id();
    let mut data = serde_json::to_value(value).map_err(|source| TemplateError::Data {
        template: id,
        source,
    })?;
    prepare(template, &mut data, "")?;
    registry
        .render(id, &data)
        .map_err(|source| TemplateError::Render {
            template: id,
            source: Box::new(source),
        })
}

/// `text` without its first line, which names the release it was written for: what to compare when deciding whether a
/// program must read its configuration again.
pub fn without_header(text: &str) -> &str {
    text.split_once('\n').map_or(text, |(_, rest)| rest)
}

/// Checks all strings against the format, and drops nulls, so that printing one is an error as for a missing value.
fn prepare(template: Template, data: &mut Value, field: &str) -> Result<(), TemplateError> {
    match data {
        Value::String(text) => match template.format().problem(text) {
            None => Ok(()),
            Some(problem) => Err(TemplateError::Value {
                template: template.id(),
                field: field.to_owned(),
                value: crate::base::words::printable(&crate::base::words::shorten(text, 120)),
                problem,
            }),
        },
        Value::Array(items) => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(i, item)| prepare(template, item, &format!("{field}[{i}]"))),
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            let dot = if field.is_empty() { "" } else { "." };
            members.iter_mut().try_for_each(|(name, member)| {
                prepare(template, member, &format!("{field}{dot}{name}"))
            })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// The registry of a format: handlebars has one escape function per registry.
fn registry(format: Format) -> &'static Handlebars<'static> {
    static NGINX: OnceLock<Handlebars<'static>> = OnceLock::new();
    static UWSGI: OnceLock<Handlebars<'static>> = OnceLock::new();
    static SUPERVISOR: OnceLock<Handlebars<'static>> = OnceLock::new();
    let slot = match format {
        Format::Nginx => &NGINX,
        Format::Uwsgi => &UWSGI,
        Format::Supervisor => &SUPERVISOR,
    };
    slot.get_or_init(|| build_registry(format))
}

fn build_registry(format: Format) -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    // A helper hides a value of the same name, and this one prints nothing.
    registry.unregister_helper("log");
    registry.register_escape_fn(format.escape());
    let own = Template::ALL
        .iter()
        .filter(|template| template.format() == format);
    for (name, text) in PARTS
        .into_iter()
        .chain(own.map(|template| (template.id(), template.text())))
    {
        registry
            .register_template_string(name, text)
            .expect("the built-in templates parse: a test renders each");
    }
    registry
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod nginx_tests;
#[cfg(test)]
pub(crate) mod uwsgi_tests;
