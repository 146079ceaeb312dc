from crln.report.seldom import Seldom


def test_work_is_done_again_after_a_while_and_later_where_it_takes_long() -> None:
    now, done, cost = [0.0], [], 0.0

    def work() -> None:
        done.append(now[0])
        now[0] += cost

    seldom = Seldom(60, 50, lambda: now[0])
    for moment in (0, 59, 60, 119, 120):
        now[0] = moment
        seldom.do(work)
    assert done == [60, 120]
    cost = 10
    for moment in (180, 250, 689, 690):
        now[0] = moment
        seldom.do(work)
    assert done == [60, 120, 180, 690]
