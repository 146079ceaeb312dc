"""What follows from the decisions is mended when a project is opened."""

from crln.reviewing import opened


def test_what_a_killed_process_left_half_written_is_removed_wherever_it_lies(places, small):
    with opened(places) as project:
        project.save("case_1", small.drawing(1))
    left = [
        places.path / folder / "partial-12_34-a.yaml"
        for folder in ("", "cases", "drawings", "labels", ".shown")
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    kept = places.path / "cases/partial-notes.yaml"
    kept.write_text("mine")
    with opened(places):
        assert not [path for path in left if path.exists()]
        assert kept.exists()


def test_a_case_that_is_called_as_such_a_file_keeps_its_files(tmp_path, small):
    from crln.reviewing import begin_project

    data = small.data(tmp_path / "data", scans=1, labels=0)
    scan = data / "images/case_0.nii.gz"
    scan.rename(scan.with_name("partial-1_2-a.nii.gz"))
    places = begin_project(data, classes=["liver"], say=str)
    with opened(places) as project:
        project.save("partial-1_2-a", small.drawing(1))
        project.decide("partial-1_2-a", "accepted")
    with opened(places) as project:
        assert project.status("partial-1_2-a") == "accepted"
        assert places.label("partial-1_2-a").exists()
