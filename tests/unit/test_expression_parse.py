"""The expression language, row by row: trees, texts, readings and faults with their offsets."""

from __future__ import annotations

import pickle

import pytest

from expression_trees import Plain, plain
from flowtime.model.expression import (
    FUNCTIONS,
    Binary,
    Call,
    ExpressionFault,
    FunctionRule,
    Name,
    Number,
    parse_expression,
    references,
    render,
)

TREES = [
    pytest.param("12", 12.0, id="whole number"),
    pytest.param("1.5", 1.5, id="decimal"),
    pytest.param(".5", 0.5, id="decimal without a leading digit"),
    pytest.param("1e3", 1000.0, id="exponent"),
    pytest.param("1E-3", 0.001, id="negative exponent"),
    pytest.param(" \t\r\n x \n", "x", id="white space around"),
    pytest.param("_a1", "_a1", id="name with underscore and digit"),
    pytest.param("min", "min", id="name of a function without a call is a series"),
    pytest.param("-2", ("-", 2.0), id="minus is an operator"),
    pytest.param("--a", ("-", ("-", "a")), id="minus twice"),
    pytest.param("a - -b", ("-", "a", ("-", "b")), id="minus after minus"),
    pytest.param("a - b - c", ("-", ("-", "a", "b"), "c"), id="minus is left-associative"),
    pytest.param("a / b * c", ("*", ("/", "a", "b"), "c"), id="times and divided are one level"),
    pytest.param("a + b * c", ("+", "a", ("*", "b", "c")), id="times before plus"),
    pytest.param("a * b + c", ("+", ("*", "a", "b"), "c"), id="times first"),
    pytest.param("(a + b) * c", ("*", ("+", "a", "b"), "c"), id="brackets"),
    pytest.param("-a * b", ("*", ("-", "a"), "b"), id="unary minus before times"),
    pytest.param("a * -b", ("*", "a", ("-", "b")), id="unary minus on the right"),
    pytest.param("a + b < c * d", ("<", ("+", "a", "b"), ("*", "c", "d")), id="comparison after arithmetic"),
    pytest.param("a <= b", ("<=", "a", "b"), id="at most"),
    pytest.param("a > b", (">", "a", "b"), id="above"),
    pytest.param("a >= b", (">=", "a", "b"), id="at least"),
    pytest.param("a == b", ("==", "a", "b"), id="equal"),
    pytest.param("a != b", ("!=", "a", "b"), id="not equal"),
    pytest.param("a<-b", ("<", "a", ("-", "b")), id="less than minus"),
    pytest.param("NOT a == b", ("NOT", ("==", "a", "b")), id="not after comparison"),
    pytest.param("not not a", ("NOT", ("NOT", "a")), id="not twice"),
    pytest.param("NOT -a", ("NOT", ("-", "a")), id="not of minus"),
    pytest.param("NOT a AND b", ("AND", ("NOT", "a"), "b"), id="not before and"),
    pytest.param("a AND NOT b", ("AND", "a", ("NOT", "b")), id="not on the right of and"),
    pytest.param("a OR b AND c", ("OR", "a", ("AND", "b", "c")), id="and before or"),
    pytest.param("a and b or c", ("OR", ("AND", "a", "b"), "c"), id="keywords in lower case"),
    pytest.param("(a < b) == (c < d)", ("==", ("<", "a", "b"), ("<", "c", "d")), id="comparison of comparisons"),
    pytest.param("Min(a, B)", ("MIN", "a", "B"), id="functions in any case and names as they are"),
    pytest.param("MAX(a, b, c, d)", ("MAX", "a", "b", "c", "d"), id="any number of arguments"),
    pytest.param("NOT(a)", ("NOT", "a"), id="not with brackets"),
    pytest.param("SHIFT (a + b, 2)", ("SHIFT", ("+", "a", "b"), 2.0), id="blank before the bracket"),
    pytest.param("SHIFT(a, (0))", ("SHIFT", "a", 0.0), id="literal in brackets"),
    pytest.param("SHIFT(a, 2.0)", ("SHIFT", "a", 2.0), id="whole number with a point"),
    pytest.param("DELAY(a, 1, -3)", ("DELAY", "a", 1.0, -3.0), id="a signed literal is one number"),
    pytest.param("CONV(a, [0, -.5, 1e-3])", ("CONV", "a", [0.0, -0.5, 0.001]), id="taps with signs"),
    pytest.param("CONV(a, [])", ("CONV", "a", []), id="no taps"),
    pytest.param("CONV(a, 0.5)", ("CONV", "a", 0.5), id="one tap as a number"),
    pytest.param("PULSE(4, 1, -2.5)", ("PULSE", 4.0, 1.0, -2.5), id="pulse in full"),
    pytest.param("PULSE(4)", ("PULSE", 4.0), id="pulse in short"),
    pytest.param("EMA(a, 1)", ("EMA", "a", 1.0), id="alpha of one"),
    pytest.param("IF(a > 1, b, c)", ("IF", (">", "a", 1.0), "b", "c"), id="if"),
    pytest.param("a * (NOT b)", ("*", "a", ("NOT", "b")), id="not in brackets within arithmetic"),
]


@pytest.mark.parametrize(("text", "tree"), TREES)
def test_parse(text: str, tree: Plain) -> None:
    assert plain(parse_expression(text)) == tree


@pytest.mark.parametrize(("text", "tree"), TREES)
def test_render_parses_to_the_same_tree(text: str, tree: Plain) -> None:
    assert plain(parse_expression(render(parse_expression(text)))) == tree


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        pytest.param("((a))", "a", id="needless brackets go"),
        pytest.param("a-(b-c)", "a - (b - c)", id="needed brackets stay"),
        pytest.param("(a-b)-c", "a - b - c", id="left association needs none"),
        pytest.param("-(a+b)", "-(a + b)", id="minus of a sum"),
        pytest.param("(not a)<b", "(NOT a) < b", id="not within a comparison"),
        pytest.param("(a<b)<c", "(a < b) < c", id="comparisons do not chain"),
        pytest.param("conv(x,[0,.6,1e-7])", "CONV(x, [0, 0.6, 1e-07])", id="numbers in short"),
        pytest.param("0.1+1e300", "0.1 + 1e+300", id="numbers are exact"),
    ],
)
def test_render(text: str, rendered: str) -> None:
    assert render(parse_expression(text)) == rendered


def test_positions_are_offsets_into_the_text() -> None:
    tree = parse_expression(" a + MIN(1, b)")
    minimum = Call("MIN", (Number(1.0, 9), Name("b", 12)), 5)
    assert tree == Binary("+", Name("a", 1), minimum, 3)


S, LITERAL, BAD = "expression.syntax", "expression.literal_required", "expression.bad_literal"
ARITY, UNKNOWN, VECTOR = "expression.arity", "expression.unknown_function", "expression.vector_not_allowed"
CHAINED, LONG, DEEP, EMPTY = (
    "expression.chained_comparison",
    "expression.too_long",
    "expression.too_deep",
    "expression.empty",
)

FAULTS = [
    pytest.param("", EMPTY, 0, id="empty"),
    pytest.param(" \n\t", EMPTY, 0, id="blank"),
    pytest.param("a +", S, 3, id="no right operand"),
    pytest.param("a + ", S, 3, id="the end is where the last token ends"),
    pytest.param("* a", S, 0, id="no left operand"),
    pytest.param("a * / b", S, 4, id="two operators"),
    pytest.param("+a", S, 0, id="unary plus"),
    pytest.param("a + + b", S, 4, id="unary plus on the right"),
    pytest.param("NOT", S, 3, id="not of nothing"),
    pytest.param("a NOT b", S, 2, id="not between values"),
    pytest.param("a * NOT b", S, 4, id="not within arithmetic"),
    pytest.param("-NOT a", S, 1, id="not under minus"),
    pytest.param("a b", S, 2, id="no operator"),
    pytest.param("2 x", S, 2, id="a product without its sign"),
    pytest.param("2x", S, 0, id="number with a letter"),
    pytest.param("1_000", S, 0, id="number with an underscore"),
    pytest.param("a + 1.2.3", S, 4, id="number with two points"),
    pytest.param("1.", S, 0, id="number that ends in its point"),
    pytest.param(".", S, 0, id="point"),
    pytest.param("1e", S, 0, id="exponent without digits"),
    pytest.param("1e+", S, 0, id="exponent with its sign only"),
    pytest.param("1e999", BAD, 0, id="number too large"),
    pytest.param("(a", S, 0, id="open bracket"),
    pytest.param("((a)", S, 0, id="outer bracket open"),
    pytest.param("a)", S, 1, id="bracket too many"),
    pytest.param("()", S, 1, id="empty brackets"),
    pytest.param("(a b)", S, 3, id="no operator in brackets"),
    pytest.param("a, b", S, 1, id="comma outside a call"),
    pytest.param("MIN(a, b", S, 3, id="open call"),
    pytest.param("MIN(a,, b)", S, 6, id="two commas"),
    pytest.param("MIN(a, b,)", S, 9, id="trailing comma"),
    pytest.param("MIN(a b)", S, 6, id="no comma"),
    pytest.param("a(b)", UNKNOWN, 0, id="a call of a series"),
    pytest.param("x + SHFT(a, 1)", UNKNOWN, 4, id="misspelled function"),
    pytest.param("a AND b(c)", UNKNOWN, 6, id="unknown function on the right"),
    pytest.param("MIN(a)", ARITY, 0, id="too few"),
    pytest.param("1 + FLOOR()", ARITY, 4, id="none"),
    pytest.param("MOD(a, b, c)", ARITY, 10, id="too many"),
    pytest.param("PULSE(1, 0, 1, 1)", ARITY, 15, id="too many literals"),
    pytest.param("SHIFT(a, k)", LITERAL, 9, id="lag is a series"),
    pytest.param("SHIFT(a, 1 + 1)", LITERAL, 9, id="lag is computed"),
    pytest.param("SHIFT(a, --1)", LITERAL, 9, id="lag with two signs"),
    pytest.param("SHIFT(a, -1)", BAD, 9, id="lag below zero"),
    pytest.param("SHIFT(a, 1.5)", BAD, 9, id="lag with a fraction"),
    pytest.param("SHIFT(a, 1e10)", BAD, 9, id="lag beyond all horizons"),
    pytest.param("DELAY(a, 0)", BAD, 9, id="delay of nothing"),
    pytest.param("DELAY(a, 1, b)", LITERAL, 12, id="initial value is a series"),
    pytest.param("PULSE(0)", BAD, 6, id="period of zero"),
    pytest.param("PULSE(2.9)", BAD, 6, id="period with a fraction"),
    pytest.param("PULSE(2, -1)", BAD, 9, id="phase below zero"),
    pytest.param("PULSE(2, 0, a)", LITERAL, 12, id="amplitude is a series"),
    pytest.param("EMA(a, 0)", BAD, 7, id="alpha of zero"),
    pytest.param("EMA(a, 1.01)", BAD, 7, id="alpha above one"),
    pytest.param("EMA(a, -0.5)", BAD, 7, id="alpha below zero"),
    pytest.param("EMA(a, b)", LITERAL, 7, id="alpha is a series"),
    pytest.param("CONV(a, b)", LITERAL, 8, id="taps are a series"),
    pytest.param("CONV(a, [1, b])", S, 12, id="a tap is a series"),
    pytest.param("CONV(a, [1,])", S, 11, id="trailing comma in the list"),
    pytest.param("CONV(a, [1 2])", S, 11, id="no comma in the list"),
    pytest.param("CONV(a, [1, 2", S, 8, id="open list"),
    pytest.param("CONV(a, [--1])", S, 10, id="tap with two signs"),
    pytest.param("CONV(a, [1e999])", BAD, 9, id="tap too large"),
    pytest.param("CONV(a, [1] + 1)", S, 12, id="arithmetic on a list"),
    pytest.param("CONV([1], [1])", VECTOR, 5, id="list as a series"),
    pytest.param("SHIFT(a, [1])", VECTOR, 9, id="list as a lag"),
    pytest.param("a + [1]", VECTOR, 4, id="list in a sum"),
    pytest.param("a < b < c", CHAINED, 6, id="chained comparison"),
    pytest.param("a == b + 1 != c", CHAINED, 11, id="chained over a sum"),
    pytest.param("a # b", S, 2, id="character that is none of ours"),
    pytest.param("a\N{NO-BREAK SPACE}+ b", S, 1, id="foreign white space"),
    pytest.param("caf\N{LATIN SMALL LETTER E WITH ACUTE}", S, 3, id="foreign letter"),
    pytest.param("\N{ARABIC-INDIC DIGIT ONE}", S, 0, id="foreign digit"),
    pytest.param("a\0", S, 1, id="zero byte"),
    pytest.param("(" * 49 + "a" + ")" * 49, DEEP, 48, id="brackets too deep"),
    pytest.param("-" * 49 + "a", DEEP, 48, id="minus too deep"),
    pytest.param("ABS(-" * 25 + "a" + ")" * 25, DEEP, 120, id="calls and minus too deep"),
    pytest.param("a" * 20_001, LONG, 20_000, id="too many characters"),
    pytest.param("+".join(["a"] * 2_501), LONG, 4_999, id="too many nodes"),
]


@pytest.mark.parametrize(("text", "code", "offset"), FAULTS)
def test_fault(text: str, code: str, offset: int) -> None:
    with pytest.raises(ExpressionFault) as caught:
        parse_expression(text)
    assert (caught.value.code, caught.value.offset) == (code, offset)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("a ^ 2", "POW", id="caret"),
        pytest.param("a ** 2", "POW", id="two stars"),
        pytest.param("a % 2", "MOD", id="percent"),
        pytest.param("a && b", "AND", id="two ampersands"),
        pytest.param("a || b", "OR", id="two bars"),
        pytest.param("!a", "NOT", id="exclamation mark"),
        pytest.param("a = b", "==", id="one equals sign"),
        pytest.param("a <> b", "!=", id="less and greater"),
        pytest.param("a => b", ">=", id="arrow"),
        pytest.param("a ? b", "IF", id="question mark"),
        pytest.param("'a'", "no strings", id="quote"),
        pytest.param("SHFT(a, 1)", "SHIFT", id="misspelled"),
        pytest.param("ln(a)", "LOG", id="synonym"),
        pytest.param("zzzz(a)", "CUMSUM", id="nothing near, so all are listed"),
        pytest.param("a < b < c", "AND", id="chain"),
        pytest.param("1 * NOT a", "brackets", id="not within arithmetic"),
        pytest.param("2x", "*", id="product"),
        pytest.param("SHIFT(a, k)", "SHIFT(", id="an example of the function"),
    ],
)
def test_fault_says_what_to_do(text: str, hint: str) -> None:
    with pytest.raises(ExpressionFault) as caught:
        parse_expression(text)
    assert hint in (caught.value.hint or "")


def test_fault_survives_pickling() -> None:
    fault = ExpressionFault("expression.syntax", "unexpected '^'", 2, "write POW(a, b)")
    again = pickle.loads(pickle.dumps(fault))
    assert (again.code, again.message, again.offset, again.hint) == (
        fault.code,
        fault.message,
        fault.offset,
        fault.hint,
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("+".join(["a"] * 2_001), id="two thousand additions"),
        pytest.param("(" * 48 + "a" + ")" * 48, id="forty-eight brackets"),
        pytest.param("-" * 48 + "a", id="forty-eight minus signs"),
        pytest.param(" OR ".join(["NOT a < b"] * 1_000), id="a chain with prefixes"),
        pytest.param("MAX(" + ", ".join(["-a * (b)"] * 900) + ")", id="many arguments"),
        pytest.param("a" * 20_000, id="longest name"),
        pytest.param("CONV(a, [" + ",".join(["0"] * 6_600) + "])", id="longest list"),
    ],
)
def test_largest_texts_render_to_a_fixed_point(text: str) -> None:
    rendered = render(parse_expression(text))
    assert render(parse_expression(rendered)) == rendered


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param("1 + PULSE(3)", [], id="nothing"),
        pytest.param("b + a * b", [("b", 0), ("a", 0), ("b", 0)], id="in order of the text, each time"),
        pytest.param("SHIFT(a, 2) + a", [("a", 2), ("a", 0)], id="lagged and not"),
        pytest.param("SHIFT(a + b, 1)", [("a", 1), ("b", 1)], id="lag of a sum"),
        pytest.param("SHIFT(DELAY(a, 3, 9), 2)", [("a", 5)], id="lags add up"),
        pytest.param("SHIFT(a, 0)", [("a", 0)], id="no lag"),
        pytest.param("CONV(a, [0, 0, 0.5, 1])", [("a", 2)], id="first tap that is not zero"),
        pytest.param("CONV(a, [0.5, 1])", [("a", 0)], id="first tap"),
        pytest.param("CONV(a, [0, 0])", [("a", 2)], id="all taps zero"),
        pytest.param("CONV(a, [])", [("a", 0)], id="no taps"),
        pytest.param("CONV(a, 0.5)", [("a", 0)], id="one tap"),
        pytest.param("CONV(a, 0)", [("a", 1)], id="one tap of zero"),
        pytest.param("EMA(SHIFT(a, 1), 0.5)", [("a", 1)], id="through a memory"),
        pytest.param("SHIFT(CONV(a, [0, 1]) + b, 1)", [("a", 2), ("b", 1)], id="nested"),
        pytest.param("IF(NOT a, -b, MIN(c, d))", [("a", 0), ("b", 0), ("c", 0), ("d", 0)], id="all operators"),
    ],
)
def test_references(text: str, read: list[tuple[str, int]]) -> None:
    assert [(reference.id, reference.lag) for reference in references(parse_expression(text))] == read


def test_references_say_where() -> None:
    assert [reference.at for reference in references(parse_expression("a + MIN(b, a)"))] == [0, 8, 11]


def test_references_of_a_long_chain() -> None:
    assert len(references(parse_expression("+".join(["a"] * 2_001)))) == 2_001


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.name) for rule in FUNCTIONS.values()])
def test_example_of_each_function_is_a_call_of_it(rule: FunctionRule) -> None:
    tree = parse_expression(rule.example)
    assert isinstance(tree, Call)
    assert tree.function == rule.name
