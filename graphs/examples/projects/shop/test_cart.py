from cart import discount, receipt, total


def test_total_adds_prices():
    assert total({"apple": 2, "tea": 1}) == 480


def test_discount_is_a_percentage():
    assert discount(1000, 10) == 900


def test_receipt_names_every_item():
    assert receipt({"apple": 2}) == ["2 x Apple"]
