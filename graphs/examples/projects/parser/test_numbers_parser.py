from numbers_parser import mean, parse


def test_parses_a_list():
    assert parse("1,2,3") == [1, 2, 3]


def test_leaves_out_empty_parts():
    assert parse("1,,2") == [1, 2]


def test_mean_of_nothing_is_zero():
    assert mean([]) == 0
