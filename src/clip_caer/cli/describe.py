NAME="describe"; HELP="x"; DESCRIPTION="x"; EXAMPLES="x"
def add_arguments(parser): pass
def call(args): pass
