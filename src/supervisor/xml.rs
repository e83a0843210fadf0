//! XML-RPC, as much of it as supervisor speaks. <http://xmlrpc.com/spec.md>

use std::collections::BTreeMap;
use std::fmt::Write as _;

use roxmltree::{Document, Node};

/// A value of a call or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Int(i64),
    Bool(bool),
    Text(String),
    Array(Vec<Value>),
    Struct(BTreeMap<String, Value>),
}

impl Value {
    pub(super) fn int(&self, member: &str) -> Option<i64> {
        match self.member(member)? {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn text(&self, member: &str) -> Option<&str> {
        match self.member(member)? {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(members) => members.get(name),
            _ => None,
        }
    }
}

/// An answer: a value, or a fault's number and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Value(Value),
    Fault(i64, String),
}

/// The body of a call. Only the parameter types that supervisor's methods take.
pub(super) fn call(method: &str, params: &[Value]) -> String {
    let mut body =
        format!("<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params>");
    for param in params {
        let _ = match param {
            Value::Int(number) => write!(body, "<param><value><int>{number}</int></value></param>"),
            Value::Bool(flag) => {
                let flag = u8::from(*flag);
                write!(
                    body,
                    "<param><value><boolean>{flag}</boolean></value></param>"
                )
            }
            Value::Text(text) => {
                let text = escaped(text);
                write!(
                    body,
                    "<param><value><string>{text}</string></value></param>"
                )
            }
            Value::Array(_) | Value::Struct(_) => Ok(()),
        };
    }
    body + "</params></methodCall>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Reads an answer; the error says what is odd about it.
pub(super) fn parse(body: &str) -> Result<Answer, String> {
    let document = Document::parse(body).map_err(|error| error.to_string())?;
    let root = document.root_element();
    if let Some(fault) = child(root, "fault") {
        let value = value(child(fault, "value").ok_or("a fault without a value")?)?;
        let code = value.int("faultCode").ok_or("a fault without a code")?;
        let text = value.text("faultString").unwrap_or_default().to_owned();
        return Ok(Answer::Fault(code, text));
    }
    let found = child(root, "params")
        .and_then(|params| child(params, "param"))
        .and_then(|param| child(param, "value"))
        .ok_or("no value in it")?;
    value(found).map(Answer::Value)
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn value(node: Node<'_, '_>) -> Result<Value, String> {
    let Some(typed) = node.children().find(Node::is_element) else {
        return Ok(Value::Text(node.text().unwrap_or_default().to_owned()));
    };
    let text = typed.text().unwrap_or_default();
    match typed.tag_name().name() {
        "int" | "i4" => text
            .trim()
            .parse()
            .map(Value::Int)
            .map_err(|_| format!("`{text}` is no number")),
        "boolean" => Ok(Value::Bool(text.trim() == "1")),
        "string" => Ok(Value::Text(text.to_owned())),
        "array" => {
            let data = child(typed, "data").ok_or("an array without data")?;
            let items = data.children().filter(|item| item.has_tag_name("value"));
            items.map(value).collect::<Result<_, _>>().map(Value::Array)
        }
        "struct" => typed
            .children()
            .filter(|member| member.has_tag_name("member"))
            .map(|member| {
                let name = child(member, "name")
                    .and_then(|name| name.text())
                    .ok_or("a member without a name")?;
                let value = value(child(member, "value").ok_or("a member without a value")?)?;
                Ok((name.to_owned(), value))
            })
            .collect::<Result<_, String>>()
            .map(Value::Struct),
        other => Err(format!("`{other}` is no type that supervisor uses")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_escaped() {
        assert_eq!(
            call(
                "supervisor.startProcess",
                &[Value::Text("a<b&c".into()), Value::Bool(false)]
            ),
            "<?xml version=\"1.0\"?><methodCall><methodName>supervisor.startProcess</methodName><params>\
             <param><value><string>a&lt;b&amp;c</string></value></param>\
             <param><value><boolean>0</boolean></value></param></params></methodCall>"
        );
    }

    #[test]
    fn faults_and_structs_are_read() {
        let fault = "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n\
            <value><int>10</int></value>\n</member>\n<member>\n<name>faultString</name>\n<value><string>BAD_NAME: x</string></value>\n\
            </member>\n</struct></value>\n</fault>\n</methodResponse>\n";
        assert_eq!(
            parse(fault).unwrap(),
            Answer::Fault(10, "BAD_NAME: x".into())
        );
        let list = "<methodResponse><params><param><value><array><data><value><struct><member><name>pid</name><value><int>7</int>\
            </value></member><member><name>spawnerr</name><value><string></string></value></member></struct></value></data></array>\
            </value></param></params></methodResponse>";
        let Answer::Value(Value::Array(items)) = parse(list).unwrap() else {
            panic!("no array")
        };
        assert_eq!(items[0].int("pid"), Some(7));
        assert_eq!(items[0].text("spawnerr"), Some(""));
    }

    #[test]
    fn nonsense_is_an_error() {
        for bad in [
            "",
            "<a/>",
            "<methodResponse><params/></methodResponse>",
            "<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
        ] {
            parse(bad).unwrap_err();
        }
    }
}
