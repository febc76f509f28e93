"""Which device a cookie names, when a file shows only what browsers brought and never what the server set."""

from risk.evaluation.cookies import Cookies, returning_in
from tests.risk.evaluation.rows import row

CHROME, FIREFOX = ("Chrome", "Windows"), ("Firefox", "Linux")


def test_a_cookie_that_a_good_sign_in_brought_is_a_device_of_that_person_from_then_on() -> None:
    cookies = Cookies()
    assert cookies.seen_on("ada", "t1", CHROME) == (None, False)
    device = cookies.learn("ada", "t1", CHROME)
    assert device is not None
    assert cookies.seen_on("ada", "t1", CHROME) == (device, True)
    assert cookies.seen_on("ada", "t1", FIREFOX) == (device, True)
    assert cookies.seen_on("ada", None, CHROME) == (None, False)


def test_a_cookie_that_only_others_brought_came_and_is_no_device_of_hers() -> None:
    cookies = Cookies()
    cookies.learn("ada", None, CHROME)
    device = cookies.learn("bob", "t1", CHROME)
    assert cookies.seen_on("ada", "t1", CHROME) == (None, True)
    shared = cookies.learn("ada", "t1", CHROME)
    assert (cookies.seen_on("ada", "t1", CHROME), cookies.seen_on("bob", "t1", CHROME)) == (
        (shared, True),
        (device, True),
    )


def test_a_fresh_cookie_is_the_one_that_was_set_at_a_sign_in_of_the_same_browser_without_one() -> None:
    cookies = Cookies({("ada", "t1"), ("ada", "t2")})
    cookies.learn("bob", "t0", CHROME)
    device = cookies.learn("ada", None, CHROME)
    assert device is not None
    assert cookies.seen_on("ada", "t1", FIREFOX) == (None, False)
    assert cookies.seen_on("ada", "t1", CHROME) == (device, True)
    assert cookies.learn("ada", "t1", CHROME) == device
    # It was set once: another fresh cookie is not the same one.
    assert cookies.seen_on("ada", "t2", CHROME) == (None, False)


def test_nobody_gets_a_device_out_of_a_file_without_cookies() -> None:
    cookies = Cookies()
    assert [cookies.learn("ada", None, CHROME) for _ in range(3)] == [None] * 3


def test_a_fresh_cookie_that_never_comes_again_counts_as_none() -> None:
    cookies = Cookies({("ada", "t1"), ("bob", "made up")})
    cookies.learn("bob", "t0", CHROME)
    cookies.learn("ada", None, CHROME)
    assert cookies.seen_on("ada", "made up", CHROME) == (None, False)
    assert cookies.seen_on("ada", "t1", CHROME)[1]


def test_cookies_that_return_are_counted_by_person() -> None:
    rows = [row(token=token, person=person) for person, token in (("a", "x"), ("b", "x"), ("b", "x"), ("a", None))]
    assert returning_in(rows) == {("b", "x")}


def test_what_was_set_and_never_came_back_is_forgotten_after_eight() -> None:
    cookies = Cookies({("ada", "t1")})
    cookies.learn("bob", "t0", CHROME)
    cookies.learn("ada", None, FIREFOX)
    for _ in range(8):
        cookies.learn("ada", None, CHROME)
    assert cookies.seen_on("ada", "t1", FIREFOX) == (None, False)
    assert cookies.seen_on("ada", "t1", CHROME)[1]
