def test_it(finished):
    print(finished.folder)
